//! The fields of an event as text: their names and types, and serde's attributes, in their order.

use syn::{Attribute, Data, DeriveInput, Field, Fields, Variant};

use crate::code::code;

/// Returns the text that is recorded for a version.
///
/// Every attribute of serde is in it, because the meaning of some of them is open: a function that
/// serializes may write anything.
pub(crate) fn text_of(input: &DeriveInput) -> String {
    let serde = serde_of(&input.attrs);
    match &input.data {
        Data::Struct(data) => format!("{serde}struct{}", of_fields(&data.fields)),
        Data::Enum(data) => {
            let variants: Vec<_> = data.variants.iter().map(of_variant).collect();
            format!("{serde}enum {{{}}}", variants.join(", "))
        }
        Data::Union(_) => format!("{serde}union"),
    }
}

fn of_variant(variant: &Variant) -> String {
    let Variant {
        attrs,
        ident,
        fields,
        discriminant,
    } = variant;
    // Other derives than serde's store the number of a variant.
    let number = discriminant.as_ref().map(|(_, number)| code(number));
    let number = number.map_or_else(String::new, |number| format!(" = {number}"));
    format!("{}{ident}{}{number}", serde_of(attrs), of_fields(fields))
}

fn of_fields(fields: &Fields) -> String {
    let all: Vec<_> = fields.iter().map(of_field).collect();
    let all = all.join(", ");
    match fields {
        Fields::Named(_) => format!(" {{{all}}}"),
        Fields::Unnamed(_) => format!("({all})"),
        Fields::Unit => String::new(),
    }
}

fn of_field(field: &Field) -> String {
    let name = field.ident.as_ref();
    let name = name.map_or_else(String::new, |name| format!("{name}: "));
    format!("{}{name}{}", serde_of(&field.attrs), code(&field.ty))
}

/// Returns the attributes of serde, each followed by a space.
fn serde_of(attributes: &[Attribute]) -> String {
    let serde = attributes.iter().filter(|it| it.path().is_ident("serde"));
    serde.map(|it| code(it) + " ").collect()
}

#[cfg(test)]
mod tests {
    use super::text_of;

    #[test]
    fn the_text_has_fields_types_and_attributes_of_serde() {
        for (written, text) in [
            (
                "/// Paid.\n#[derive(Debug)] pub struct Paid { /// The order.\n pub order: i64, cents: u64 }",
                "struct {order: i64, cents: u64}",
            ),
            (
                "struct Paid(u64, Vec < String >);",
                "struct(u64, Vec<String>)",
            ),
            ("struct Paid;", "struct"),
            ("struct Paid {}", "struct {}"),
            (
                "#[serde(rename_all=\"camelCase\")] #[serde(deny_unknown_fields)] struct Paid { #[serde(default, rename = \"total\")] #[doc(hidden)] cents: u64 }",
                "#[serde(rename_all = \"camelCase\")] #[serde(deny_unknown_fields)] struct {#[serde(default, rename = \"total\")] cents: u64}",
            ),
            (
                "#[serde(tag = \"kind\")] enum Ended { Paid { cents: u64 }, #[serde(rename = \"refused\")] Refused(String), Open = 7 }",
                "#[serde(tag = \"kind\")] enum {Paid {cents: u64}, #[serde(rename = \"refused\")] Refused(String), Open = 7}",
            ),
            (
                "struct Paid { #[serde(skip_serializing_if = \"Option::is_none\")] a: Option<u8>, #[serde(flatten)] rest: Rest, #[serde(with = \"hex\")] b: [u8; 4] }",
                "struct {#[serde(skip_serializing_if = \"Option::is_none\")] a: Option<u8>, #[serde(flatten)] rest: Rest, #[serde(with = \"hex\")] b: [u8; 4]}",
            ),
        ] {
            assert_eq!(text_of(&syn::parse_str(written).unwrap()), text);
        }
    }
}
