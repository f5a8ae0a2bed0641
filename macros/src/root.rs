//! The path of fanfare in an expansion: `::fanfare`, or the path that the user gives as `crate`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::parse::ParseStream;
use syn::{Ident, LitStr, Path, Result};

use crate::value::{Value, parse_equals};

/// A path of fanfare that the user gives, for a crate whose dependencies have no `fanfare`.
pub(crate) struct Root(Path);

impl Root {
    /// Returns the path for the code at `span`. A path of the user keeps its span, so that errors
    /// about the path point at it.
    pub(crate) fn at(root: Option<&Self>, span: Span) -> TokenStream {
        root.map_or_else(
            || quote_spanned!(span=> ::fanfare),
            |Root(path)| path.to_token_stream(),
        )
    }
}

/// Parses the value of `crate`: a path, or a string literal with a path in it.
pub(crate) fn parse_root(option: &Ident, input: ParseStream<'_>) -> Result<Root> {
    parse_path(option, "fanfare", "my_api::fanfare", input).map(Root)
}

/// Parses the path of a crate, which may be in a string literal.
pub(crate) fn parse_path(
    option: &Ident,
    of: &str,
    example: &str,
    input: ParseStream<'_>,
) -> Result<Path> {
    parse_equals(option, example, input)?;
    let value = Value::take(input)?;
    let path = match value.parse::<LitStr>() {
        Some(text) => text.parse_with(Path::parse_mod_style).ok(),
        None => value.parse_with(Path::parse_mod_style),
    };
    path.ok_or_else(|| {
        value.error(format!(
            "`{option}` is the path of {of}, not `{value}`: write `{option} = {example}`, or the name that your `Cargo.toml` gives it"
        ))
    })
}
