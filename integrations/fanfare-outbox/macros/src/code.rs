//! Code as text. The texts are recorded in the files of users, so they never change for the same
//! code.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;

/// Returns the code in one line. It depends on the tokens alone, and not on the spaces between
/// them.
pub(crate) fn code(syntax: impl ToTokens) -> String {
    let mut text = String::new();
    write_tokens(syntax.to_token_stream(), &mut text);
    text.truncate(text.trim_end().len());
    text
}

fn write_tokens(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write_tokens(group.stream(), text);
                text.truncate(text.trim_end().len());
                text.push_str(close);
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                it @ (',' | ';') => text.extend([it, ' ']),
                it @ ('=' | '+') => text.extend([' ', it, ' ']),
                it => text.push(it),
            },
            word => {
                if text.ends_with(|last: char| last.is_alphanumeric() || "_\")]".contains(last)) {
                    text.push(' ');
                }
                // Only a string can have the end of a line, which would be one in the file as well.
                text.push_str(&word.to_string().replace('\r', "").replace('\n', "\\n"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn code_depends_on_tokens_and_not_on_spaces() {
        for (written, text) in [
            ("Vec < Option<u8 > >", "Vec<Option<u8>>"),
            ("[u8 ;4]", "[u8; 4]"),
            ("(i64,String,)", "(i64, String,)"),
            ("std :: string :: String", "std::string::String"),
            ("Box<dyn Shape+Send>", "Box<dyn Shape + Send>"),
            ("rename=\"cents\",default", "rename = \"cents\", default"),
            (
                "rename_all(serialize=\"camelCase\")",
                "rename_all(serialize = \"camelCase\")",
            ),
            ("r\"one\ntwo\"", "r\"one\\ntwo\""),
        ] {
            let tokens: proc_macro2::TokenStream = written.parse().unwrap();
            assert_eq!(code(tokens), text);
        }
    }
}
