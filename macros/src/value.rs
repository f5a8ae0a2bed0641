//! The options of an attribute: `option = value`, each at most once.

use std::fmt::{self, Display};

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Error, Ident, LitStr, Result, Token, token};

use crate::code::code;

/// Parses the value of an option into its place, which must be empty.
pub(crate) fn fill<T>(
    slot: &mut Option<T>,
    option: &Ident,
    parse: impl FnOnce() -> Result<T>,
) -> Result<()> {
    if slot.is_some() {
        let message = format!("`{option}` is given twice: keep one of them");
        return Err(Error::new(option.span(), message));
    }
    *slot = Some(parse()?);
    Ok(())
}

/// Parses the `=` of an option, which a value must follow.
pub(crate) fn parse_equals(option: &Ident, example: &str, input: ParseStream<'_>) -> Result<()> {
    if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        if !input.is_empty() && !input.peek(Token![,]) {
            return Ok(());
        }
    }
    Err(Error::new(
        option.span(),
        format!("`{option}` needs a value: write `{option} = {example}`"),
    ))
}

/// Parses the end of an option that takes no value.
pub(crate) fn parse_flag(option: &Ident, input: ParseStream<'_>) -> Result<()> {
    if input.peek(Token![=]) || input.peek(token::Paren) {
        return Err(input.error(format!(
            "`{option}` takes no value: write `{option}` alone, or leave it out"
        )));
    }
    Ok(())
}

/// Parses the value of an option, which is a string literal that is not empty.
pub(crate) fn parse_text(
    option: &Ident,
    example: &str,
    mend_empty: &str,
    input: ParseStream<'_>,
) -> Result<LitStr> {
    parse_equals(option, example, input)?;
    let value = Value::take(input)?;
    let Some(text) = value.parse::<LitStr>() else {
        let message =
            format!("`{option}` is a string literal, not `{value}`: write `{option} = {example}`");
        return Err(value.error(message));
    };
    if text.value().is_empty() {
        return Err(Error::new(
            text.span(),
            format!("`{option}` is empty: {mend_empty}"),
        ));
    }
    Ok(text)
}

/// The tokens between an option's `=` and the next comma.
pub(crate) struct Value(TokenStream);

impl Value {
    /// Takes the tokens up to the next comma that is not inside `<` and `>`.
    pub(crate) fn take(input: ParseStream<'_>) -> Result<Self> {
        let mut tokens = Vec::new();
        let mut depth = 0_usize;
        let mut previous = ' ';
        while !input.is_empty() && (depth > 0 || !input.peek(Token![,])) {
            let token = input.parse::<TokenTree>()?;
            let character = if let TokenTree::Punct(punct) = &token {
                punct.as_char()
            } else {
                ' '
            };
            match character {
                '<' => depth += 1,
                '>' if previous != '-' => depth = depth.saturating_sub(1),
                _ => {}
            }
            previous = character;
            tokens.push(token);
        }
        Ok(Self(tokens.into_iter().collect()))
    }

    pub(crate) fn parse<T: Parse>(&self) -> Option<T> {
        self.parse_with(T::parse)
    }

    pub(crate) fn parse_with<T>(
        &self,
        parser: impl FnOnce(ParseStream<'_>) -> Result<T>,
    ) -> Option<T> {
        parser.parse2(self.0.clone()).ok()
    }

    pub(crate) fn error(&self, message: impl Display) -> Error {
        Error::new_spanned(&self.0, message)
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&code(&self.0))
    }
}
