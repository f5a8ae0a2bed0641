//! `#[derive(DurableEvent)]`: the implementation of the trait, and a test that compares the fields
//! with those that are recorded.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, GenericParam, Ident, Result, parse2};

use crate::fields;
use crate::options::{Key, Options};

pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let input = parse2::<DeriveInput>(input)?;
    check_type(&input)?;
    let options = Options::of(&input)?;
    let root = options.root.as_ref();
    let root = root.map_or_else(|| quote!(::fanfare_outbox), ToTokens::to_token_stream);
    let implementation = implementation(&root, &input, &options);
    let test = test(&root, &input.ident);
    Ok(quote!(#implementation #test))
}

/// Refuses the types that no name in the database can stand for.
fn check_type(input: &DeriveInput) -> Result<()> {
    let ident = &input.ident;
    if let Data::Union(data) = &input.data {
        let message = format!(
            "`DurableEvent` cannot be derived for the union `{ident}`: make it a struct or an enum"
        );
        return Err(Error::new(data.union_token.span, message));
    }
    let Some(parameter) = input.generics.params.first() else {
        return Ok(());
    };
    let message = match parameter {
        GenericParam::Lifetime(lifetime) => format!(
            "a durable event owns its fields, because it is read from the database: make `{ident}` own them, such as a `String` in the place of `&{} str`",
            lifetime.lifetime
        ),
        _ => format!(
            "a durable event cannot be generic, because its name in the database stands for one type: write concrete types in `{ident}`"
        ),
    };
    Err(Error::new_spanned(parameter, message))
}

fn implementation(root: &TokenStream, input: &DeriveInput, options: &Options) -> TokenStream {
    let ident = &input.ident;
    let Options { name, version, .. } = options;
    let schema = fields::text_of(input);
    let key = options.key.as_ref().map(|key| {
        let key = match key {
            Key::Field(field) => {
                let at_field = field.span();
                let text =
                    quote_spanned!(at_field=> ::std::string::ToString::to_string(&self.#field));
                quote!(::core::option::Option::Some(#text))
            }
            // A `String` and an `Option<String>` become one.
            Key::Function(function) => {
                let at_function = function.span();
                quote_spanned!(at_function=> ::core::convert::Into::into(#function(self)))
            }
        };
        quote! {
            fn key(&self) -> ::core::option::Option<::std::string::String> {
                #key
            }
        }
    });
    let upcast = options.upcast.as_ref().map(|upcast| {
        quote! {
            fn upcast(
                version: u32,
                payload: #root::__private::Value,
            ) -> ::core::option::Option<#root::__private::Value> {
                let upcast: fn(
                    u32,
                    #root::__private::Value,
                ) -> ::core::option::Option<#root::__private::Value> = #upcast;
                upcast(version, payload)
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl #root::DurableEvent for #ident {
            const NAME: &'static str = #name;
            const VERSION: u32 = #version;
            const SCHEMA: ::core::option::Option<&'static str> =
                ::core::option::Option::Some(#schema);
            #key
            #upcast
        }
    }
}

/// Returns the test. It is a function beside the type, where each path of the user is valid.
fn test(root: &TokenStream, ident: &Ident) -> TokenStream {
    // The span is that of the macro, so that lints about names leave it alone.
    let name = format_ident!(
        "durable_event_{}_is_recorded",
        ident.unraw(),
        span = Span::call_site()
    );
    quote! {
        #[cfg(test)]
        #[::core::prelude::v1::test]
        #[allow(non_snake_case)]
        fn #name() {
            #root::__private::assert_recorded::<#ident>(::core::env!("CARGO_MANIFEST_DIR"));
        }
    }
}
