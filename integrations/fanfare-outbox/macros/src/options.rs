//! The options of an event, in `#[durable(...)]`.

use syn::meta::ParseNestedMeta;
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, Index, LitInt, LitStr, Member, Path, Result, Token,
};

use crate::code::code;

/// The longest name, in bytes: `fanfare_outbox::Unfit::LONGEST`.
const LONGEST: usize = 1_000;

pub(crate) struct Options {
    pub(crate) name: LitStr,
    pub(crate) version: u32,
    pub(crate) upcast: Option<Path>,
    pub(crate) key: Option<Key>,
    pub(crate) root: Option<Path>,
}

/// The key whose events are delivered in order.
pub(crate) enum Key {
    Field(Member),
    Function(Path),
}

/// The options as they are written.
#[derive(Default)]
struct Written {
    name: Option<LitStr>,
    version: Option<LitInt>,
    upcast: Option<Path>,
    key: Option<Key>,
    root: Option<Root>,
}

/// The path of fanfare-outbox, which may be written as a string.
struct Root(Path);

impl Options {
    pub(crate) fn of(input: &DeriveInput) -> Result<Self> {
        refuse_inner_attributes(&input.data)?;
        let mut written = Written::default();
        for attribute in input.attrs.iter().filter(|it| is_durable(it)) {
            attribute.parse_nested_meta(|meta| written.take(&meta))?;
        }
        let name = written.name.ok_or_else(|| {
            let ident = &input.ident;
            let message = format!(
                "the event has no name: the database stores one with each event, and it stays when `{ident}` is renamed; write `#[durable(name = \"app.{ident}\")]`"
            );
            Error::new(ident.span(), message)
        })?;
        check_name(&name)?;
        let version = version(written.version.as_ref())?;
        check_upcast(version, written.version.as_ref(), written.upcast.as_ref())?;
        if let Some(Key::Field(field)) = &written.key {
            check_field(input, field)?;
        }
        Ok(Options {
            name,
            version,
            upcast: written.upcast,
            key: written.key,
            root: written.root.map(|Root(path)| path),
        })
    }
}

impl Written {
    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        const OPTIONS: &str = "`name`, `version`, `upcast`, `key` and `crate`";
        let option = meta.path.get_ident().map(ToString::to_string);
        match option.as_deref() {
            Some("name") => {
                let example = "name = \"app.Event\"";
                value(&mut self.name, meta, "a string literal", example)
            }
            Some("version") => value(&mut self.version, meta, "a number", "version = 2"),
            Some("upcast") => {
                let kind = "the path of a function";
                value(&mut self.upcast, meta, kind, "upcast = from_version_1")
            }
            Some("key") => {
                let kind = "a field, or the path of a function";
                value(
                    &mut self.key,
                    meta,
                    kind,
                    "key = order` or `key = Self::order",
                )
            }
            Some("crate") => {
                let kind = "the path of fanfare-outbox";
                value(&mut self.root, meta, kind, "crate = my_api::fanfare_outbox")
            }
            _ => Err(meta.error(format!(
                "unknown option `{}`: the options are {OPTIONS}",
                code(&meta.path)
            ))),
        }
    }
}

/// Parses the value of an option into its place, which must be empty.
fn value<T: Parse>(
    place: &mut Option<T>,
    meta: &ParseNestedMeta<'_>,
    kind: &str,
    example: &str,
) -> Result<()> {
    let option = code(&meta.path);
    if place.is_some() {
        return Err(meta.error(format!("`{option}` is given twice: keep one of them")));
    }
    if !meta.input.peek(Token![=]) {
        return Err(meta.error(format!("`{option}` needs a value: write `{example}`")));
    }
    let input = meta.value()?;
    let refused = Error::new(
        input.span(),
        format!("`{option}` is {kind}: write `{example}`"),
    );
    let value = input.parse::<T>();
    let is_whole = input.is_empty() || input.peek(Token![,]);
    match value {
        Ok(value) if is_whole => {
            *place = Some(value);
            Ok(())
        }
        _ => Err(refused),
    }
}

impl Parse for Key {
    /// Parses a field, such as `order` or `0`, or a path of several parts.
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(LitInt) {
            return input.parse::<Index>().map(|it| Key::Field(it.into()));
        }
        let path = input.parse::<Path>()?;
        Ok(match path.get_ident() {
            Some(field) => Key::Field(field.clone().into()),
            None => Key::Function(path),
        })
    }
}

impl Parse for Root {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(LitStr) {
            let text = input.parse::<LitStr>()?;
            return text.parse_with(Path::parse_mod_style).map(Root);
        }
        input.call(Path::parse_mod_style).map(Root)
    }
}

fn check_name(name: &LitStr) -> Result<()> {
    let text = name.value();
    let message = if text.is_empty() {
        "`name` is empty: write one such as \"app.Event\"".to_owned()
    } else if text.len() > LONGEST {
        let length = text.len();
        format!("`name` has {length} bytes, and an index takes {LONGEST}: shorten it")
    } else if text.contains('\0') {
        "`name` has a NUL, which PostgreSQL cannot store: remove it".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::new(name.span(), message))
}

fn version(written: Option<&LitInt>) -> Result<u32> {
    let Some(written) = written else {
        return Ok(1);
    };
    if let Ok(version @ 1..) = written.base10_parse() {
        return Ok(version);
    }
    let message = format!("`version` is a u32 of 1 or more, not `{written}`: write `version = 2`");
    Err(Error::new(written.span(), message))
}

/// Checks that there is an `upcast` if and only if there are older versions.
fn check_upcast(version: u32, written: Option<&LitInt>, upcast: Option<&Path>) -> Result<()> {
    match (written, upcast) {
        (Some(written), None) if version > 1 => {
            let message = format!(
                "version {version} has no `upcast`, so that events which older versions have stored cannot be read: write `upcast = from_older` with `fn from_older(version: u32, payload: serde_json::Value) -> Option<serde_json::Value>`"
            );
            Err(Error::new(written.span(), message))
        }
        (_, Some(upcast)) if version == 1 => {
            let message = "`upcast` is never called, because version 1 has no older one: leave it out, or raise `version`";
            Err(Error::new_spanned(upcast, message))
        }
        _ => Ok(()),
    }
}

/// Checks that the type has the field of the key.
fn check_field(input: &DeriveInput, field: &Member) -> Result<()> {
    let ident = &input.ident;
    let by_function =
        "a function by its path: write `key = Self::order` with `fn order(&self) -> String`";
    let shown = code(field);
    let message = match &input.data {
        Data::Struct(data) if has_field(&data.fields, field) => return Ok(()),
        Data::Struct(_) => {
            format!("`{ident}` has no field `{shown}`: name a field of it, or {by_function}")
        }
        _ => format!("`{shown}` names a field, and not each variant has it: name {by_function}"),
    };
    Err(Error::new_spanned(field, message))
}

fn has_field(fields: &Fields, field: &Member) -> bool {
    fields.members().any(|it| it == *field)
}

/// Refuses `#[durable(...)]` on a field or a variant, where it has no effect.
fn refuse_inner_attributes(data: &Data) -> Result<()> {
    let of_fields = |fields: &Fields| -> Vec<Attribute> {
        fields.iter().flat_map(|it| it.attrs.clone()).collect()
    };
    let inner: Vec<Attribute> = match data {
        Data::Struct(data) => of_fields(&data.fields),
        Data::Enum(data) => data
            .variants
            .iter()
            .flat_map(|it| [it.attrs.clone(), of_fields(&it.fields)].concat())
            .collect(),
        Data::Union(_) => Vec::new(),
    };
    match inner.iter().find(|it| is_durable(it)) {
        Some(attribute) => Err(Error::new_spanned(
            attribute,
            "`#[durable(...)]` belongs to the whole type: move it above the `struct` or the `enum`",
        )),
        None => Ok(()),
    }
}

fn is_durable(attribute: &Attribute) -> bool {
    attribute.path().is_ident("durable")
}
