//! Code in messages, with the spaces that a person writes.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// Returns the code of `syntax` in one line, such as `&'a PizzaDone<'_>`.
pub(crate) fn code(syntax: impl ToTokens) -> String {
    let mut text = String::new();
    write_tokens(syntax.to_token_stream(), &mut text);
    text
}

fn write_tokens(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => (" { ", " }"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write_tokens(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => {
                let is_alone = punct.spacing() == Spacing::Alone;
                match punct.as_char() {
                    it @ (',' | ';') => text.extend([it, ' ']),
                    ':' if is_alone && !text.ends_with(':') => text.push_str(": "),
                    it @ ('+' | '=') if is_alone => text.extend([' ', it, ' ']),
                    '-' if !is_alone => text.push_str(" -"),
                    '>' if text.ends_with('-') => text.push_str("> "),
                    it => text.push(it),
                }
            }
            word => {
                if text.ends_with(|last: char| last.is_alphanumeric() || "_\")]>".contains(last)) {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
    if text.ends_with(' ') {
        text.truncate(text.trim_end().len());
    }
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn code_has_the_spaces_that_a_person_writes() {
        for written in [
            "PIZZA_DONE",
            "crate::kitchen::PIZZA_DONE",
            "&'a mut Pair<'a, '_, u32>",
            "&Box<dyn Fn(&str, u32) -> Vec<bool> + Send + 'static>",
            "&<Oven as Bakes<Item = [u8; 4]>>::Pizza",
            "for<'a> fn(&'a T) -> &'a T",
            "_pizza: &PizzaDone<'_>",
            "PizzaDone { toppings: _ }: &PizzaDone<'_>",
            "Oven::<4>::new()",
            "-10",
            "\"bell\"",
        ] {
            let tokens: proc_macro2::TokenStream = written.parse().expect("tokens");
            assert_eq!(code(tokens), written);
        }
    }
}
