//! Finds patterns of words in a sentence.
//!
//! A pattern is a few elements with spaces between them. Each element is a few alternatives with
//! `|` between them. `^` is the start of the sentence, `<n>` is a number in digits or in words,
//! `<verb>` is an auxiliary verb, `colour*` is any word that begins with `colour`, `realis~` is
//! that stem with an ending of a verb, and `*` is any word. Other elements are words and marks in
//! lower case.

use crate::markdown::Sentence;

/// Numbers that are written in words, without `one`, which is a pronoun as well.
const NUMBERS: &[&str] = &[
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "dozen", "twenty", "thirty", "forty", "fifty", "sixty", "hundred", "thousand",
];

const AUXILIARIES: &[&str] = &[
    "is", "are", "was", "were", "has", "have", "had", "can", "may", "will", "would", "does", "do",
    "did", "must",
];

/// The endings of verbs in `-ise`, and of nouns made of them.
const ENDINGS: &[&str] = &["e", "ed", "es", "er", "ers", "ing", "ation", "ations"];

/// A word or a mark, in lower case.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) start: usize,
}

impl Token {
    /// Returns `true` if the token is a word, which has a letter or is code.
    pub(crate) fn is_word(&self) -> bool {
        self.text.contains(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Returns the words and marks of a sentence. Marks of emphasis are left out.
pub(crate) fn tokens(sentence: &Sentence) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    let mut in_word = false;
    for (start, c) in sentence.mask.char_indices() {
        let is_part = c.is_alphanumeric() || c == '_' || (in_word && "-'’".contains(c));
        if is_part && in_word {
            found.last_mut().unwrap().text.extend(c.to_lowercase());
        } else if !c.is_whitespace() && c != '*' {
            let text = c.to_lowercase().collect();
            found.push(Token { text, start });
        }
        in_word = is_part;
    }
    found
}

/// Returns the places in `tokens` at which one of `patterns` begins.
pub(crate) fn matches(tokens: &[Token], patterns: &[&str]) -> Vec<usize> {
    let begins = |at: &usize| {
        let mut patterns = patterns.iter();
        patterns.any(|pattern| match_at(tokens, *at, pattern))
    };
    (0..tokens.len()).filter(begins).collect()
}

fn match_at(tokens: &[Token], mut at: usize, pattern: &str) -> bool {
    for element in pattern.split(' ') {
        let mut alternatives = element.split('|');
        let is_at_start = || tokens[..at].iter().all(|token| !token.is_word());
        if element.starts_with('^') && is_at_start() {
            continue;
        }
        let Some(token) = tokens.get(at) else {
            return false;
        };
        if !alternatives.any(|alternative| is_alternative(&token.text, alternative)) {
            return false;
        }
        at += 1;
    }
    true
}

fn is_alternative(word: &str, alternative: &str) -> bool {
    if alternative == "<n>" {
        let is_figure = word.starts_with(|c: char| c.is_ascii_digit());
        return is_figure || NUMBERS.contains(&word);
    }
    if alternative == "<verb>" {
        return AUXILIARIES.contains(&word);
    }
    if let Some(stem) = alternative.strip_suffix('~') {
        let ending = word.strip_prefix(stem);
        return ending.is_some_and(|ending| ENDINGS.contains(&ending));
    }
    match alternative.strip_suffix('*') {
        Some(start) => word.starts_with(start),
        None => word == alternative,
    }
}
