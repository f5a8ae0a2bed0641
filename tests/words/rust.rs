//! Reads the prose of Rust sources: doc comments, comments, messages and the names of tests.
//!
//! The sources are read as tokens, so that the bodies and the arguments of macros are read too.

use crate::markdown::{Sentence, sentences, split};
use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

/// The prose of one Rust file.
#[derive(Default)]
pub(crate) struct Prose {
    pub(crate) docs: Vec<Sentence>,
    pub(crate) comments: Vec<Sentence>,
    pub(crate) items: Vec<Item>,
    /// Texts of errors, panics and compiler messages, with their lines.
    pub(crate) messages: Vec<(usize, String)>,
    /// Names of test functions, with their lines.
    pub(crate) tests: Vec<(usize, String)>,
    /// Lines with a comment that are longer than 100 columns.
    pub(crate) long_lines: Vec<(usize, String)>,
}

/// An item with a doc comment.
pub(crate) struct Item {
    pub(crate) line: usize,
    pub(crate) is_function: bool,
    /// The first sentence of the doc comment.
    pub(crate) first: String,
}

/// Reads the prose of a Rust source.
pub(crate) fn read(source: &str) -> Result<Prose, String> {
    let stream: TokenStream = source.parse().map_err(|error: proc_macro2::LexError| {
        format!("line {}: {error}", error.span().start().line)
    })?;
    let mut reader = Reader::default();
    reader.read(stream.clone(), Place::default());
    let mut prose = reader.prose;
    let source_lines: Vec<Vec<char>> = source.lines().map(|line| line.chars().collect()).collect();
    let mut code = source_lines.clone();
    let mut with_docs = Vec::new();
    blank_literals(stream, &mut code, &mut with_docs);
    let comments = comments(&source_lines, &code);
    prose.comments = comments.iter().flat_map(|block| sentences(block)).collect();
    let with_comments = comments.iter().flatten().map(|(line, _)| *line);
    let mut lines: Vec<usize> = with_comments.chain(with_docs).collect();
    lines.sort_unstable();
    lines.dedup();
    for line in lines {
        let text: String = source_lines[line - 1].iter().collect();
        if is_long(&text) {
            prose.long_lines.push((line, text.trim().to_owned()));
        }
    }
    Ok(prose)
}

/// Returns `true` if a line has more than 100 columns and can be wrapped: tables and links cannot.
fn is_long(line: &str) -> bool {
    let text = line.trim_start_matches([' ', '/', '!']);
    line.chars().count() > 100 && !text.starts_with('|') && !text.contains("://")
}

/// Blanks all literals in `code`, and notes the lines of doc comments, which are literals as well.
fn blank_literals(stream: TokenStream, code: &mut [Vec<char>], with_docs: &mut Vec<usize>) {
    for token in stream {
        match token {
            TokenTree::Group(group) => blank_literals(group.stream(), code, with_docs),
            TokenTree::Literal(literal) => {
                let (start, end) = (literal.span().start(), literal.span().end());
                let first = &code[start.line - 1][start.column..];
                if first.starts_with(&['/', '/']) {
                    with_docs.push(start.line);
                }
                for line in start.line..=end.line {
                    let text = &mut code[line - 1];
                    let from = if line == start.line { start.column } else { 0 };
                    let to = if line == end.line {
                        end.column
                    } else {
                        text.len()
                    };
                    text[from..to].fill(' ');
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

/// Returns the blocks of `//` comments. A comment behind code is a block of its own.
fn comments(source: &[Vec<char>], code: &[Vec<char>]) -> Vec<Vec<(usize, String)>> {
    let mut blocks: Vec<Vec<(usize, String)>> = Vec::new();
    let mut continues = false;
    for (at, line) in code.iter().enumerate() {
        let Some(start) = line.windows(2).position(|two| two == ['/', '/']) else {
            continues = false;
            continue;
        };
        let text: String = source[at][start..].iter().collect();
        let text = text.trim_start_matches('/');
        let text = text.strip_prefix(' ').unwrap_or(text).to_owned();
        let is_alone = line[..start].iter().all(|c| c.is_whitespace());
        if is_alone && continues {
            blocks.last_mut().unwrap().push((at + 1, text));
        } else {
            blocks.push(vec![(at + 1, text)]);
        }
        continues = is_alone;
    }
    blocks
}

/// The surroundings of the tokens that are being read.
#[derive(Default, Clone, Copy)]
struct Place {
    is_display: bool,
    is_test: bool,
}

#[derive(Default)]
struct Reader {
    prose: Prose,
}

impl Reader {
    fn read(&mut self, stream: TokenStream, place: Place) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut docs: Vec<(usize, String)> = Vec::new();
        let mut next_is_test = false;
        let mut next_has_a_promise = false;
        let mut at = 0;
        while at < tokens.len() {
            if let Some((attribute, is_inner, length)) = attribute(&tokens[at..]) {
                at += length;
                let doc = doc(&attribute);
                if is_inner && doc.is_none() {
                    continue;
                }
                if let Some((line, text)) = doc {
                    docs.push((line, text));
                    let is_last =
                        attribute_doc(&tokens[at..]).is_none_or(|inner| inner != is_inner);
                    if is_inner && is_last {
                        self.add_docs(&mut docs, false);
                    }
                    continue;
                }
                self.read_attribute(&attribute);
                if is_test_attribute(&attribute) {
                    next_is_test = true;
                    next_has_a_promise |= !is_cfg(&attribute);
                    // A name that a macro makes is not in the source.
                    let name = function(&tokens[at..]).filter(|(_, name)| !name.is_empty());
                    self.prose
                        .tests
                        .extend(name.filter(|_| !is_cfg(&attribute)));
                }
                continue;
            }
            if !docs.is_empty() {
                // The name of a test is its sentence, and docs of a test describe its case.
                let is_function = function(&tokens[at..]).is_some() && !next_has_a_promise;
                self.add_docs(&mut docs, is_function);
            }
            if !(place.is_test || next_is_test) {
                self.read_messages(&tokens, at, place);
            }
            match &tokens[at] {
                TokenTree::Group(group) => {
                    let is_body = group.delimiter() == Delimiter::Brace;
                    let is_display = is_body && is_display_impl(&tokens[..at]);
                    let inside = Place {
                        is_display: place.is_display || is_display,
                        is_test: place.is_test || next_is_test,
                    };
                    next_is_test &= !is_body;
                    next_has_a_promise &= !is_body;
                    self.read(group.stream(), inside);
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => {
                    next_is_test = false;
                    next_has_a_promise = false;
                }
                _ => {}
            }
            at += 1;
        }
        self.add_docs(&mut docs, false);
    }

    fn add_docs(&mut self, docs: &mut Vec<(usize, String)>, is_function: bool) {
        let block = std::mem::take(docs);
        let found = sentences(&block);
        if let Some(first) = found.first() {
            self.prose.items.push(Item {
                line: first.line_at(0),
                is_function,
                first: first.text.clone(),
            });
        }
        self.prose.docs.extend(found);
    }

    /// Reads the texts of `#[diagnostic::…]`, which the compiler prints.
    fn read_attribute(&mut self, attribute: &Group) {
        let mut tokens = attribute.stream().into_iter();
        if !matches!(tokens.next(), Some(TokenTree::Ident(name)) if name == "diagnostic") {
            return;
        }
        for token in tokens {
            if let TokenTree::Group(arguments) = token {
                for argument in arguments.stream() {
                    self.prose.messages.extend(literal(&argument));
                }
            }
        }
    }

    /// Reads the message of the macro or the function whose name is at `at`.
    fn read_messages(&mut self, tokens: &[TokenTree], at: usize, place: Place) {
        let TokenTree::Ident(name) = &tokens[at] else {
            return;
        };
        let name = name.to_string();
        let before = |back: usize| at.checked_sub(back).map(|at| tokens[at].to_string());
        let next = tokens.get(at + 1).map(ToString::to_string);
        let (arguments, position) = if next.as_deref() == Some("!") {
            let position = match name.as_str() {
                "panic" | "unreachable" | "compile_error" | "todo" | "unimplemented" => 0,
                "assert" | "debug_assert" => 1,
                "assert_eq" | "assert_ne" | "debug_assert_eq" | "debug_assert_ne" => 2,
                "write" if place.is_display => 1,
                _ => return,
            };
            (tokens.get(at + 2), position)
        } else {
            let position = match name.as_str() {
                "expect" if before(1).as_deref() == Some(".") => 0,
                "write_str" | "pad" if place.is_display => 0,
                "new" | "new_spanned" if before(3).as_deref() == Some("Error") => 1,
                _ => return,
            };
            (tokens.get(at + 1), position)
        };
        let Some(TokenTree::Group(arguments)) = arguments else {
            return;
        };
        let arguments: Vec<TokenTree> = arguments.stream().into_iter().collect();
        let is_comma =
            |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
        if let Some(message) = arguments.split(is_comma).nth(position) {
            let is_name = |name: &str| {
                message
                    .first()
                    .is_some_and(|token| token.to_string() == name)
            };
            if let (true, Some(TokenTree::Group(parts))) = (is_name("concat"), message.get(2)) {
                let parts: Vec<_> = parts
                    .stream()
                    .into_iter()
                    .filter_map(|part| literal(&part))
                    .collect();
                let text = parts.iter().map(|(_, text)| text.as_str()).collect();
                self.prose
                    .messages
                    .extend(parts.first().map(|(line, _)| (*line, text)));
            } else {
                self.prose
                    .messages
                    .extend(message.first().and_then(literal));
            }
        }
    }
}

/// Returns the attribute at the start of `tokens`, whether it is inner, and its number of tokens.
fn attribute(tokens: &[TokenTree]) -> Option<(Group, bool, usize)> {
    let is = |token: Option<&TokenTree>, c: char| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == c);
    if !is(tokens.first(), '#') {
        return None;
    }
    let is_inner = is(tokens.get(1), '!');
    let at = 1 + usize::from(is_inner);
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            Some((group.clone(), is_inner, at + 1))
        }
        _ => None,
    }
}

/// Returns `Some(is_inner)` if `tokens` begin with a line of a doc comment.
fn attribute_doc(tokens: &[TokenTree]) -> Option<bool> {
    let (group, is_inner, _) = attribute(tokens)?;
    doc(&group).map(|_| is_inner)
}

/// Returns the line and the text of an attribute that is a line of a doc comment.
fn doc(attribute: &Group) -> Option<(usize, String)> {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(name), TokenTree::Punct(_), text] if name == "doc" => {
            let (line, text) = literal(text)?;
            let text = text.strip_prefix(' ').unwrap_or(&text).to_owned();
            Some((line, text))
        }
        _ => None,
    }
}

/// Returns `true` for `#[test]`, for attributes such as `#[tokio::test]`, and for `#[cfg(test)]`.
fn is_test_attribute(attribute: &Group) -> bool {
    let mut last = String::new();
    for token in attribute.stream() {
        match token {
            TokenTree::Ident(name) => last = name.to_string(),
            TokenTree::Group(group) if last == "cfg" => {
                let condition = group.stream().to_string();
                let mut words = condition.split(|c: char| !c.is_alphanumeric() && c != '_');
                return words.clone().any(|word| word == "test")
                    && !words.any(|word| word == "not");
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => {}
            _ => break,
        }
    }
    last == "test"
}

fn is_cfg(attribute: &Group) -> bool {
    attribute.stream().to_string().starts_with("cfg")
}

/// Returns the line and the name of the function that `tokens` begin with, after its attributes.
/// The name is empty if a macro makes it.
fn function(tokens: &[TokenTree]) -> Option<(usize, String)> {
    let mut at = 0;
    while let Some((_, _, length)) = attribute(&tokens[at..]) {
        at += length;
    }
    let mut tokens = tokens[at..].iter();
    let mut after_dollar = false;
    loop {
        match tokens.next()? {
            TokenTree::Ident(name) if name == "fn" => break,
            TokenTree::Ident(name) => {
                let name = name.to_string();
                let words = ["pub", "async", "const", "unsafe", "extern", "default"];
                if !after_dollar && !words.contains(&name.as_str()) {
                    return None;
                }
                after_dollar = false;
            }
            TokenTree::Group(_) | TokenTree::Literal(_) => {}
            TokenTree::Punct(punct) => after_dollar = punct.as_char() == '$',
        }
    }
    match tokens.next()? {
        TokenTree::Ident(name) => Some((name.span().start().line, name.to_string())),
        _ => Some((0, String::new())),
    }
}

/// Returns `true` if `before`, the tokens in front of a body, end with `impl … Display for …`.
fn is_display_impl(before: &[TokenTree]) -> bool {
    let header = before.iter().rev().take_while(|token| match token {
        TokenTree::Group(group) => group.delimiter() != Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() != ';' || punct.spacing() == Spacing::Joint,
        _ => true,
    });
    let names: Vec<String> = header
        .filter(|token| matches!(token, TokenTree::Ident(_)))
        .map(ToString::to_string)
        .collect();
    let display = names.iter().position(|name| name == "Display");
    let begins = |name: &str| names.iter().any(|other| other == name);
    begins("impl") && display.is_some_and(|at| at > 0 && names[at - 1] == "for")
}

/// Returns the line and the text of a string literal.
fn literal(token: &TokenTree) -> Option<(usize, String)> {
    let TokenTree::Literal(literal) = token else {
        return None;
    };
    let text = syn::parse_str::<syn::LitStr>(&literal.to_string()).ok()?;
    Some((literal.span().start().line, text.value()))
}

/// Returns the sentences of a message. What stands in braces is one word.
pub(crate) fn message_sentences(line: usize, message: &str) -> Vec<Sentence> {
    let mut plain = String::new();
    let mut depth = 0_usize;
    for c in message.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let is_hole = depth > 0 || c == '}';
        plain.push(if is_hole {
            '_'
        } else if c == '\n' {
            ' '
        } else {
            c
        });
    }
    split(&[(line, plain)], false)
}
