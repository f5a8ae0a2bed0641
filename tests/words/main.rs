//! Counts habits of the project's prose that readers stumble over, and holds each to a limit.
//! `CONTRIBUTING.md` has the rules in its section "Words".
//!
//! Prose is Markdown, doc comments, comments, the texts of errors and panics, and names of tests.
//! Code blocks are left out, and a code span is one word.
//!
//! The environment variable `WORDS` selects more output of
//! `cargo test --test words within -- --nocapture`:
//!
//! - `WORDS=print` prints the counts beside their limits.
//! - `WORDS=limits` prints `LIMITS` with the counts of today.
//! - `WORDS='list=headless what'` prints all offenders of a row.

mod corpus;
mod links;
mod markdown;
mod patterns;
mod rows;
mod rust;
mod samples;

use corpus::{Corpus, Finding, Group};
use rows::{ROWS, Row, Unit};

/// The limits of each row for documents and for comments, and the goal for both.
///
/// A limit is the count of the day on which it was set, rounded up. A limit may go down and not up:
/// mend sentences of a row, then copy its limits from the output of `WORDS=limits`. The goal is
/// twice the count of the worst among tokio, crossbeam, rayon, papaya and axum. For functions
/// without a verb it is the count of tokio. A limit stops at its goal.
#[rustfmt::skip]
const LIMITS: &[(&str, usize, usize, usize)] = &[
    ("headless what", 4, 4, 4),
    ("nobody, nothing, none", 28, 28, 28),
    ("semicolons", 32, 32, 32),
    ("tell", 2, 2, 2),
    ("say", 5, 5, 5),
    ("hear", 0, 0, 0),
    ("headless who", 0, 0, 0),
    ("for meaning because", 0, 0, 0),
    ("some number", 0, 0, 0),
    ("so many", 0, 0, 0),
    ("lest", 0, 0, 0),
    ("in vain", 0, 0, 0),
    ("for ever", 0, 0, 0),
    ("let go of", 0, 0, 0),
    ("but for", 0, 0, 0),
    ("be it", 0, 0, 0),
    ("British spelling", 0, 0, 0),
    ("headless docs", 1, 1, 1),
    ("functions without a verb", 20, 20, 20),
    ("messages with a capital", 0, 0, 0),
    ("messages with a full stop", 0, 0, 0),
    ("test names without a subject", 0, 0, 0),
    ("comments over 100 columns", 0, 0, 0),
];

/// The least percentage of the functions with docs whose docs begin with `Returns`.
const RETURNS_AT_LEAST: usize = 40;

/// The goal for `RETURNS_AT_LEAST`, which is the percentage of the lowest of the same crates.
const RETURNS_GOAL: usize = 8;

/// Sentences that no row counts: a path, a part of the sentence, and the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "examples/forgot-password/src/limits.rs",
        "There were too many requests.",
        "a person reads it in a browser",
    ),
    (
        "examples/forgot-password/src/web.rs",
        "The body is larger than",
        "a person reads it in a browser",
    ),
];

/// Returns `true` if `EXCEPTIONS` has the sentence.
fn is_excepted(finding: &Finding) -> bool {
    EXCEPTIONS
        .iter()
        .any(|(path, part, _)| finding.path == *path && finding.text.contains(part))
}

/// The offenders of a row, without exceptions, and its counts in its unit, rounded up.
struct Counted {
    row: &'static Row,
    findings: Vec<Finding>,
    documents: usize,
    comments: usize,
}

impl Counted {
    /// Counts the offenders of a row.
    fn new(row: &'static Row, corpus: &Corpus) -> Self {
        let mut findings = row.findings(corpus);
        findings.retain(|finding| !is_excepted(finding));
        let count = |group| {
            let offenders = findings
                .iter()
                .filter(|finding| finding.group == group)
                .count();
            let (scale, whole) = match row.unit {
                Unit::Words => (10_000, corpus.words(group)),
                Unit::Items => (100, corpus.items(group, false)),
                Unit::Functions => (100, corpus.items(group, true)),
                Unit::Each => (1, 1),
            };
            (offenders * scale).div_ceil(whole.max(1))
        };
        let (documents, comments) = (count(Group::Documents), count(Group::Comments));
        Self {
            row,
            findings,
            documents,
            comments,
        }
    }

    /// Returns the first `limit` offenders of a group, a line for each.
    fn first(&self, group: Group, limit: usize) -> String {
        let offenders = self
            .findings
            .iter()
            .filter(|finding| finding.group == group);
        let mut lines: Vec<String> = offenders
            .map(
                |Finding {
                     path, line, text, ..
                 }| format!("  {path}:{line}: {text}\n"),
            )
            .collect();
        lines.dedup();
        lines.truncate(limit);
        lines.concat()
    }
}

/// Returns the limits for documents and for comments, and the goal.
fn limits_of(row: &Row) -> (usize, usize, usize) {
    let limits = LIMITS.iter().find(|(name, ..)| *name == row.name);
    let (_, documents, comments, goal) =
        limits.unwrap_or_else(|| panic!("`LIMITS` has no row `{}`: add it", row.name));
    (*documents, *comments, *goal)
}

#[test]
fn the_words_are_within_their_limits() {
    let corpus = Corpus::of_the_checkout();
    let mode = std::env::var("WORDS").unwrap_or_default();
    if let Some(name) = mode.strip_prefix("list=") {
        list(&Counted::new(Row::named(name), corpus));
    }
    assert!(
        corpus.words(Group::Documents) > 10_000 && corpus.words(Group::Comments) > 1_000,
        "the checkout has little prose: correct the path of its folder"
    );
    let rows: Vec<Counted> = ROWS.iter().map(|row| Counted::new(row, corpus)).collect();
    match mode.as_str() {
        "print" => print(corpus, &rows),
        "limits" => print_limits(&rows),
        _ => {}
    }
    let mut report = String::new();
    for counted in &rows {
        let (documents, comments, _) = limits_of(counted.row);
        let groups = [
            (Group::Documents, "documents", counted.documents, documents),
            (Group::Comments, "comments", counted.comments, comments),
        ];
        for (group, place, count, limit) in groups {
            if count > limit {
                let Row { name, instead, .. } = counted.row;
                let unit = counted.row.unit.describe();
                report +=
                    &format!("`{name}` in {place}: {count} {unit}, and the limit is {limit}\n");
                report += &format!("  instead: {instead}\n{}", counted.first(group, 10));
            }
        }
    }
    assert!(
        report.is_empty(),
        "rows exceed their limits; mend sentences, of which `WORDS='list=NAME'` lists all:\n{report}"
    );
}

#[test]
fn docs_of_functions_begin_often_enough_with_returns() {
    let corpus = Corpus::of_the_checkout();
    let share = returns(corpus);
    assert!(
        share >= RETURNS_AT_LEAST,
        "the docs of {share} % of the functions begin with `Returns`, and {RETURNS_AT_LEAST} % should; \
         begin the docs of getters and predicates with it"
    );
}

#[test]
fn the_limits_name_each_row_once() {
    let rows: Vec<_> = ROWS.iter().map(|row| row.name).collect();
    let limits: Vec<_> = LIMITS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(
        rows, limits,
        "the rows and their limits are in the same order"
    );
}

#[test]
fn exceptions_are_few_and_still_occur() {
    assert!(
        EXCEPTIONS.len() <= 12,
        "{} exceptions: mend one",
        EXCEPTIONS.len()
    );
    let corpus = Corpus::of_the_checkout();
    let findings: Vec<Finding> = ROWS.iter().flat_map(|row| row.findings(corpus)).collect();
    for (path, part, reason) in EXCEPTIONS {
        assert!(
            !reason.is_empty(),
            "the exception for {path} has no reason: give one"
        );
        let occurs = |finding: &Finding| finding.path == *path && finding.text.contains(part);
        assert!(
            findings.iter().any(occurs),
            "no row counts `{part}` in {path} any more: take the exception off the list"
        );
    }
}

/// Returns the percentage of the functions in documents whose docs begin with `Returns`, rounded
/// down.
fn returns(corpus: &Corpus) -> usize {
    let items = corpus
        .items
        .iter()
        .filter(|(group, _, _)| *group == Group::Documents);
    let functions = items.filter(|(_, _, item)| item.is_function);
    let returns = functions
        .filter(|(_, _, item)| item.first.starts_with("Returns "))
        .count();
    returns * 100 / corpus.items(Group::Documents, true).max(1)
}

/// Prints the counts, the limits and the goals.
fn print(corpus: &Corpus, rows: &[Counted]) {
    for (group, place) in [
        (Group::Documents, "documents"),
        (Group::Comments, "comments"),
    ] {
        let (words, items) = (corpus.words(group), corpus.items(group, false));
        let functions = corpus.items(group, true);
        println!(
            "{place}: {words} words, {items} items with docs, of which {functions} are functions"
        );
    }
    println!(
        "{:34} {:17} {:>9} {:>5} {:>8} {:>5} {:>4}",
        "row", "unit", "documents", "limit", "comments", "limit", "goal"
    );
    for counted in rows {
        let (documents, comments, goal) = limits_of(counted.row);
        let Row { name, unit, .. } = counted.row;
        let can_fall = |count: usize, limit: usize| limit > count.max(goal);
        let note = if can_fall(counted.documents, documents) || can_fall(counted.comments, comments)
        {
            "  lower the limit"
        } else {
            ""
        };
        println!(
            "{name:34} {:17} {:9} {documents:5} {:8} {comments:5} {goal:4}{note}",
            unit.describe(),
            counted.documents,
            counted.comments
        );
    }
    let share = returns(corpus);
    println!(
        "functions whose docs begin with `Returns`: {share} %, least {RETURNS_AT_LEAST} %, goal {RETURNS_GOAL} %"
    );
}

/// Prints the rows of `LIMITS` with the counts of today, or with the goal where that is more.
fn print_limits(rows: &[Counted]) {
    for counted in rows {
        let (_, _, goal) = limits_of(counted.row);
        let [documents, comments] =
            [counted.documents, counted.comments].map(|count| count.max(goal));
        println!(
            "    ({:?}, {documents}, {comments}, {goal}),",
            counted.row.name
        );
    }
}

/// Prints all offenders of a row.
fn list(counted: &Counted) {
    println!("instead: {}", counted.row.instead);
    for (group, place) in [
        (Group::Documents, "documents"),
        (Group::Comments, "comments"),
    ] {
        println!("{place}:\n{}", counted.first(group, usize::MAX));
    }
}
