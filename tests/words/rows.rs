//! The habits that are counted: a row for each, with its words and what to write instead.

use crate::corpus::{Corpus, Finding, Group};
use crate::markdown::Sentence;
use crate::patterns::{Token, matches};

/// A habit.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    /// The words to write instead.
    pub(crate) instead: &'static str,
    find: Find,
}

/// The unit in which the findings of a row are counted.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    /// Findings for every 10,000 words.
    Words,
    /// The share of the items with doc comments.
    Items,
    /// The share of the functions with doc comments.
    Functions,
    /// Findings.
    Each,
}

impl Unit {
    /// Returns the unit as it follows a count.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Words => "per 10,000 words",
            Self::Items => "% of items",
            Self::Functions => "% of functions",
            Self::Each => "in all",
        }
    }
}

/// The texts that a row reads.
enum Find {
    /// At each place where a pattern begins, unless the place is innocent.
    Patterns(
        &'static [&'static str],
        fn(&Sentence, &[Token], usize) -> bool,
    ),
    Semicolons,
    /// At the first sentence of each item.
    Items(fn(bool, &str) -> bool),
    Messages(fn(&str) -> bool),
    Tests(fn(&str) -> bool),
    LongLines,
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "headless what",
        unit: Unit::Words,
        instead: "name the noun: \"the receivers that are connected\", not \"what is connected\"",
        find: Find::Patterns(
            &[
                "what is|are|was|were|has|have|had|a|an|the|it|its|they|we|you",
                "what this|that|these|those|each|every|one",
            ],
            |sentence, _, _| sentence.is_question(),
        ),
    },
    Row {
        name: "nobody, nothing, none",
        unit: Unit::Words,
        instead: "write about the thing that does happen, or use \"not\", \"no receiver\", \"without\"",
        find: Find::Patterns(
            &[
                "nobody|nothing|none",
                "no one is|was|has|can|may|will|would|does|else",
            ],
            never,
        ),
    },
    Row {
        name: "semicolons",
        unit: Unit::Words,
        instead: "make two sentences of it",
        find: Find::Semicolons,
    },
    Row {
        name: "tell",
        unit: Unit::Words,
        instead: "software does not speak: report, return, emit, detect, distinguish",
        find: Find::Patterns(&["tell|tells|told|telling"], never),
    },
    Row {
        name: "say",
        unit: Unit::Words,
        instead: "software does not speak: state, list, describe, print, return",
        find: Find::Patterns(&["say|says|said|saying"], never),
    },
    Row {
        name: "hear",
        unit: Unit::Words,
        instead: "software does not listen: receive, get, detect",
        find: Find::Patterns(&["hear|hears|heard|hearing"], never),
    },
    Row {
        name: "headless who",
        unit: Unit::Words,
        instead: "name the noun: \"the thread that holds it\", \"a receiver that connects late\"",
        find: Find::Patterns(&["who|whoever|whom"], |sentence, tokens, at| {
            sentence.is_question() || !is_headless(tokens, at)
        }),
    },
    Row {
        name: "for meaning because",
        unit: Unit::Words,
        instead: "write \"because\"",
        find: Find::Patterns(
            &[
                ",|: for it|they|there|he|she|we|nobody|nothing|none|neither",
                ",|: for this|that|these|those <verb>|follows|holds",
                ",|: for the|a|an|each|no|its|this * <verb>",
            ],
            never,
        ),
    },
    Row {
        name: "some number",
        unit: Unit::Words,
        instead: "write \"about 12\"",
        find: Find::Patterns(&["some <n>"], never),
    },
    Row {
        name: "so many",
        unit: Unit::Words,
        instead: "write \"N receivers\", or \"that many\" if the text has the number",
        find: Find::Patterns(&["so many"], |_, tokens, at| {
            let rest = &tokens[at + 2..];
            let mut clause = rest.iter().take_while(|token| token.text != ",");
            clause.any(|token| token.text == "that" || token.text == "as")
        }),
    },
    Row {
        name: "lest",
        unit: Unit::Words,
        instead: "write \"so that it does not\"",
        find: Find::Patterns(&["lest"], never),
    },
    Row {
        name: "in vain",
        unit: Unit::Words,
        instead: "write \"without success\", or what fails",
        find: Find::Patterns(&["in vain"], never),
    },
    Row {
        name: "for ever",
        unit: Unit::Words,
        instead: "write \"forever\"",
        find: Find::Patterns(&["for ever"], never),
    },
    Row {
        name: "let go of",
        unit: Unit::Words,
        instead: "write \"release\" or \"drop\"",
        find: Find::Patterns(
            &[
                "let|lets|letting go",
                "let|lets|letting it|them|that|this go",
            ],
            never,
        ),
    },
    Row {
        name: "but for",
        unit: Unit::Words,
        instead: "write \"except\"",
        find: Find::Patterns(&["but for"], |_, tokens, at| {
            // `not for the sender but for the receiver` is a pair.
            let before = &tokens[..at];
            before
                .windows(2)
                .any(|two| ["not", "only"].contains(&two[0].text.as_str()) && two[1].text == "for")
        }),
    },
    Row {
        name: "be it",
        unit: Unit::Words,
        instead: "write \"whether it is\"",
        find: Find::Patterns(&["^|,|;|(|: be it|they"], never),
    },
    Row {
        name: "British spelling",
        unit: Unit::Words,
        instead: "spell as std does: behavior, color, license, optimize, forever, misspelled",
        find: Find::Patterns(
            &[
                "behaviour*|colour*|neighbour*|favour*|honour*|flavour*|endeavour*|labour*",
                "licence|licences|defence|centre|centred|grey|greyed|artefact|artefacts|whilst|amongst",
                "misspelt|spelt|learnt|overflown|labelled|labelling|modelled|modelling|fulfil",
                "optimis~|unoptimis~|initialis~|uninitialis~|serialis~|deserialis~|normalis~|recognis~",
                "synchronis~|organis~|minimis~|maximis~|summaris~|realis~|specialis~|generalis~",
                "parallelis~|customis~|finalis~|categoris~|analyse|analysed|analysing",
            ],
            never,
        ),
    },
    Row {
        name: "headless docs",
        unit: Unit::Items,
        instead: "begin a function with a verb (\"Returns …\"), and a type with a noun phrase",
        find: Find::Items(|_, first| HEADLESS.contains(&first_word(first))),
    },
    Row {
        name: "functions without a verb",
        unit: Unit::Functions,
        instead: "begin with a third-person verb: \"Returns …\", \"Returns `true` if …\", \"Connects …\"",
        find: Find::Items(|is_function, first| is_function && !begins_with_a_verb(first)),
    },
    Row {
        name: "messages with a capital",
        unit: Unit::Each,
        instead: "begin with a lower-case letter",
        find: Find::Messages(begins_with_a_capital),
    },
    Row {
        name: "messages with a full stop",
        unit: Unit::Each,
        instead: "leave the full stop out, and join two sentences with a colon or a semicolon",
        find: Find::Messages(|message| message.ends_with('.') && !message.ends_with("..")),
    },
    Row {
        name: "test names without a subject",
        unit: Unit::Each,
        instead: "name the subject and what it does, in three words or more",
        find: Find::Tests(|name| {
            let starts = ["it_", "is_", "none_"];
            name.split('_').count() < 3 || starts.iter().any(|start| name.starts_with(start))
        }),
    },
    Row {
        name: "comments over 100 columns",
        unit: Unit::Each,
        instead: "wrap the comment at 100 columns",
        find: Find::LongLines,
    },
];

/// Words at the start of docs that name no noun and no verb.
const HEADLESS: &[&str] = &[
    "What", "Who", "How", "As", "Those", "Where", "Which", "Of", "Whether",
];

/// Words before `who` that are no noun.
const NO_NOUN: &[&str] = &[
    "a", "about", "all", "and", "are", "as", "at", "because", "before", "but", "by", "from", "for",
    "if", "in", "is", "it", "knows", "know", "matters", "of", "on", "only", "or", "see", "sees",
    "since", "so", "than", "that", "then", "till", "to", "until", "was", "when", "while", "with",
    "whom", "decides", "depends", "—",
];

/// Returns `true` if no noun stands before the `who` at `at`.
fn is_headless(tokens: &[Token], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|at| tokens[at].text.as_str()) else {
        return true;
    };
    // `If the load is first, who leaves sees it` has no noun. `The users, who decide` has one.
    let is_condition = ["if", "when", "while", "as"].contains(&tokens[0].text.as_str());
    let is_first_comma = tokens[..at]
        .iter()
        .filter(|token| token.text == ",")
        .count()
        == 1;
    let is_main_clause = before == "," && is_condition && is_first_comma;
    NO_NOUN.contains(&before) || [":", ";", "(", "\""].contains(&before) || is_main_clause
}

fn never(_: &Sentence, _: &[Token], _: usize) -> bool {
    false
}

fn first_word(text: &str) -> &str {
    let word = text.split_whitespace().next().unwrap_or_default();
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

/// Returns `true` if the first word has the form of a third-person verb.
fn begins_with_a_verb(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let word = words.next().unwrap_or_default().trim_matches([',', ':']);
    let next = words.next().unwrap_or_default();
    let no_verbs = [
        "As", "Is", "This", "Its", "Always", "Less", "Does", "Has", "Was", "Those",
    ];
    // `Receivers that wait` is a noun.
    let is_noun = word != "Returns" && ["of", "that", "which", "who"].contains(&next);
    let is_word = word.chars().all(char::is_alphabetic);
    word.ends_with('s') && is_word && !is_noun && !no_verbs.contains(&word)
}

/// Returns `true` if a message begins with a word that has a capital and is no name.
fn begins_with_a_capital(message: &str) -> bool {
    let names = [
        "Django", "Rust", "Tokio", "Chromium", "Linux", "Unix", "Debian",
    ];
    let word = message.split_whitespace().next().unwrap_or_default();
    let word = word.trim_end_matches(|c: char| !c.is_alphanumeric());
    let mut letters = word.chars();
    let is_capital = letters.next().is_some_and(char::is_uppercase);
    let is_plain = letters.all(|c| c.is_lowercase() || c == '\'');
    is_capital && is_plain && !names.contains(&word)
}

impl Row {
    /// Returns the row of that name.
    pub(crate) fn named(name: &str) -> &'static Self {
        let row = ROWS.iter().find(|row| row.name == name);
        row.unwrap_or_else(|| panic!("no row `{name}`: `WORDS=print` prints the rows"))
    }

    /// Returns the offenders, in the order of the files.
    pub(crate) fn findings(&self, corpus: &Corpus) -> Vec<Finding> {
        let finding = |group: Group, path: &str, line: usize, text: &str| Finding {
            group,
            path: path.to_owned(),
            line,
            text: text.trim().to_owned(),
        };
        match &self.find {
            Find::Patterns(patterns, is_innocent) => {
                let mut found = Vec::new();
                for placed in &corpus.sentences {
                    let (sentence, tokens) = (&placed.sentence, &placed.tokens);
                    let mut places = matches(tokens, patterns);
                    places.retain(|at| !is_innocent(sentence, tokens, *at));
                    let lines = places.iter().map(|at| sentence.line_at(tokens[*at].start));
                    found.extend(
                        lines.map(|line| finding(placed.group, &placed.path, line, &sentence.text)),
                    );
                }
                found
            }
            Find::Semicolons => {
                let mut found = Vec::new();
                for placed in corpus
                    .sentences
                    .iter()
                    .filter(|placed| !placed.sentence.in_table)
                {
                    let sentence = &placed.sentence;
                    let places = sentence.mask.match_indices(';');
                    let lines = places.map(|(at, _)| sentence.line_at(at));
                    found.extend(
                        lines.map(|line| finding(placed.group, &placed.path, line, &sentence.text)),
                    );
                }
                found
            }
            Find::Items(is_offender) => {
                let items = corpus.items.iter();
                let offenders =
                    items.filter(|(_, _, item)| is_offender(item.is_function, &item.first));
                offenders
                    .map(|(group, path, item)| finding(*group, path, item.line, &item.first))
                    .collect()
            }
            Find::Messages(is_offender) => {
                let messages = corpus.messages.iter();
                let offenders = messages.filter(|(_, _, text)| is_offender(text));
                offenders
                    .map(|(path, line, text)| finding(Group::Documents, path, *line, text))
                    .collect()
            }
            Find::Tests(is_offender) => {
                let tests = corpus.tests.iter();
                let offenders = tests.filter(|(_, _, name)| is_offender(name));
                offenders
                    .map(|(path, line, name)| finding(Group::Comments, path, *line, name))
                    .collect()
            }
            Find::LongLines => {
                let lines = corpus.long_lines.iter();
                lines
                    .map(|(group, path, line, text)| finding(*group, path, *line, text))
                    .collect()
            }
        }
    }
}
