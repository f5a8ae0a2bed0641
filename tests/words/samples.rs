//! The counts on small texts: each row finds a planted sentence and passes innocent ones.

use crate::corpus::{Corpus, Group};
use crate::markdown::sentences;
use crate::rows::{ROWS, Row};
use std::collections::BTreeSet;

/// A row, sentences that it counts once each, and sentences that it does not count.
type Sample = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// The samples of the rows that look at sentences.
const SENTENCES: &[Sample] = &[
    (
        "headless what",
        &[
            "What is connected meanwhile does not run.",
            "It returns what the receivers return.",
            "A queue drops what it holds.",
            "## What it is not",
        ],
        &[
            "What does it cost?",
            "**What is a sender?**",
            "It calls `what is`.",
            "A somewhat dear call.",
        ],
    ),
    (
        "nobody, nothing, none",
        &[
            "Nothing is stored.",
            "It calls nobody.",
            "And none waits.",
            "No one else waits.",
        ],
        &[
            "It returns `None`.",
            "A nonempty table.",
            "No one receiver runs twice.",
            "It waits for no one receiver.",
        ],
    ),
    (
        "semicolons",
        &["A send calls; a connect adds.", "- one; two"],
        &[
            "It prints `a; b`.",
            "| one; two | `;` |",
            "An&nbsp;entity.",
            "```\nlet a = b;\n```",
            "Code:\n\n    let a = b;",
        ],
    ),
    (
        "tell",
        &[
            "The hook tells of it.",
            "It is told once.",
            "Without telling it.",
        ],
        &[
            "It calls `tell`.",
            "A teller of stories.",
            "See `queue::tell_all`.",
            "[It](https://tell.example).",
        ],
    ),
    (
        "say",
        &["It says so.", "The manifest said it.", "Saying this."],
        &["It has `says`.", "An essay."],
    ),
    (
        "hear",
        &["A receiver hears it.", "It was heard."],
        &["It has `heard`.", "The hearth."],
    ),
    (
        "headless who",
        &[
            "Who connects late has missed it.",
            "It waits for who holds it.",
            "The lock is of whoever took it.",
            "If the load is first, who leaves sees it.",
        ],
        &[
            "Who runs it?",
            "The users who know Django.",
            "The maintainers, who decide, are two.",
        ],
    ),
    (
        "for meaning because",
        &[
            "It is boxed, for it is large.",
            "The load is Relaxed, for this follows.",
            "It takes longer, for the lock is held.",
        ],
        &[
            "Connects it, for this sender or for any.",
            "It is fast, for example with one receiver.",
            "It waits for it.",
            "A table, for a receiver that takes events by value.",
        ],
    ),
    (
        "some number",
        &[
            "It costs some 12 µs.",
            "After some forty levels.",
            "It takes some 1,000 bytes.",
        ],
        &[
            "Someone waits.",
            "Some receivers run.",
            "Some one-shot receivers.",
            "It has some.",
        ],
    ),
    (
        "so many",
        &[
            "Time of one send to so many receivers.",
            "Runs it so many times, in turn, so that it fits.",
        ],
        &[
            "There are so many receivers that it pays.",
            "A hundredfold.",
            "Too many receivers.",
        ],
    ),
    (
        "lest",
        &["It locks, lest it fails."],
        &["The smallest.", "It calls `lest`."],
    ),
    (
        "in vain",
        &["It waits in vain."],
        &["It is vain.", "A place in vainland."],
    ),
    (
        "for ever",
        &["It waits for ever."],
        &["It waits for every receiver.", "It waits forever."],
    ),
    (
        "let go of",
        &[
            "It lets go of the table.",
            "The cell lets them go.",
            "Letting go of it.",
        ],
        &[
            "Let it run.",
            "It can let a thread go on.",
            "It lets receivers wait.",
        ],
    ),
    (
        "but for",
        &["It is wait-free but for the first send."],
        &[
            "Not for the sender, but for its receivers.",
            "But the lock is held.",
        ],
    ),
    (
        "be it",
        &["Each receiver, be it async, runs.", "Be they many or few."],
        &["It may be that it fails.", "Whether it is async."],
    ),
    (
        "British spelling",
        &[
            "Its behaviour.",
            "A neighbouring slot.",
            "It is optimised.",
            "The initialiser.",
            "## Licence",
            "A misspelt name.",
        ],
        &[
            "An optimistic read.",
            "A realistic load.",
            "Its behavior.",
            "The license.",
            "It is `optimise`d.",
            "The analyses.",
            "An organism.",
        ],
    ),
];

fn read(path: &str, text: &str) -> Corpus {
    let mut corpus = Corpus::default();
    corpus.add_file(path, text);
    corpus
}

/// Returns the line and the text of each offender in a file.
fn offenders(row: &str, path: &str, text: &str) -> Vec<(usize, String)> {
    let findings = Row::named(row).findings(&read(path, text));
    findings
        .into_iter()
        .map(|finding| (finding.line, finding.text))
        .collect()
}

/// Asserts that these lines of a file offend, and no other line.
#[track_caller]
fn assert_lines(row: &str, path: &str, text: &str, expected: &[usize]) {
    let lines: Vec<usize> = offenders(row, path, text)
        .iter()
        .map(|(line, _)| *line)
        .collect();
    assert_eq!(lines, expected, "{row} in {text}");
}

#[test]
fn each_row_counts_planted_sentences_and_passes_look_alikes() {
    for (row, planted, innocent) in SENTENCES {
        for text in *planted {
            assert_lines(row, "README.md", text, &[1]);
        }
        for text in *innocent {
            assert_lines(row, "README.md", text, &[]);
        }
    }
}

#[test]
fn each_row_has_a_sample() {
    let of_sentences = SENTENCES.iter().map(|(row, ..)| *row);
    let of_sources = [
        "headless docs",
        "functions without a verb",
        "messages with a capital",
        "messages with a full stop",
        "test names without a subject",
        "comments over 100 columns",
    ];
    let sampled: BTreeSet<_> = of_sentences.chain(of_sources).collect();
    let rows: BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
    assert_eq!(sampled, rows);
}

#[test]
fn headless_docs_are_counted_for_items_of_each_kind() {
    let row = "headless docs";
    let text =
        "//! What it has.\n\n/// Of a table.\npub struct A {\n    /// As many.\n    b: u8,\n}\n";
    assert_lines(row, "src/a.rs", text, &[1, 3, 5]);
    let text = "m! {\n    /// Whether it is.\n    fn a() {}\n}\n";
    assert_lines(row, "src/a.rs", text, &[2]);
    let text =
        "/// A table. What it has.\nstruct A;\n/// Whoever.\nstruct B;\n// What is it\nstruct C;\n";
    assert_lines(row, "src/a.rs", text, &[]);
}

#[test]
fn functions_without_a_verb_are_counted() {
    let row = "functions without a verb";
    let text = "/// The length.\n#[must_use]\npub(crate) const unsafe fn a() {}\n\n/// Receivers that wait.\nfn b() {}\n";
    assert_lines(row, "src/a.rs", text, &[1, 5]);
    let text = "macro_rules! m {\n    () => {\n        /// The length.\n        $vis fn $name() {}\n    };\n}\n";
    assert_lines(row, "src/a.rs", text, &[3]);
    let text = "/// The case.\n#[tokio::test]\nasync fn a_b_c() {}\n/// The length.\n#[cfg(test)]\nfn b() {}\n\
                /// The length.\nfn c() {}\n";
    assert_lines(row, "src/a.rs", text, &[4, 7]);
    let text = "/// Returns that.\nfn a() {}\n/// Connects `f`.\nasync fn b() {}\n/// The length.\nconst A: u8 = 0;\n";
    assert_lines(row, "src/a.rs", text, &[]);
}

#[test]
fn messages_of_errors_panics_and_the_compiler_are_read() {
    let text = r#"
        #[diagnostic::on_unimplemented(message = "one", note = "two")]
        trait A {}
        impl fmt::Display for B {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("three")?;
                match self { _ => write!(f, "four {}", self.0) }
            }
        }
        impl fmt::Debug for B {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("no") }
        }
        fn c() {
            panic!("five");
            assert!(a("no"), "six");
            assert_eq!("no", b(), "seven");
            a.get("no").expect("eight \
                and more");
            return Err(syn::Error::new_spanned("no", "nine"));
            panic!(concat!("ten", " parts"));
            println!("no");
        }
        #[cfg(test)]
        mod tests { fn a() { panic!("no") } }
        #[test]
        fn a_b_c() { panic!("no") }
    "#;
    let messages = read("src/a.rs", text).messages;
    let texts: Vec<_> = messages.iter().map(|(_, _, text)| text.as_str()).collect();
    let expected = [
        "one",
        "two",
        "three",
        "four {}",
        "five",
        "six",
        "seven",
        "eight and more",
        "nine",
        "ten parts",
    ];
    assert_eq!(texts, expected);
    assert_eq!(read("tests/a.rs", text).messages, []);
}

#[test]
fn messages_with_a_capital_or_a_full_stop_are_counted() {
    let text = "fn a() {\n    panic!(\"The lock is held\");\n}\n";
    assert_lines("messages with a capital", "src/a.rs", text, &[2]);
    let text = "fn a() {\n    panic!(\"the lock is held.\");\n}\n";
    assert_lines("messages with a full stop", "src/a.rs", text, &[2]);
    for message in [
        "the lock is held",
        "SIGNAL is frozen",
        "PostgreSQL fails",
        "Django has it",
        "`A` waits",
        "{name} is out ...",
    ] {
        let text = format!("fn a() {{ panic!({message:?}) }}");
        assert_lines("messages with a capital", "src/a.rs", &text, &[]);
        assert_lines("messages with a full stop", "src/a.rs", &text, &[]);
    }
}

#[test]
fn messages_are_prose() {
    let text = "fn a() {\n    b.expect(\"nothing {none} waits; it runs\");\n}\n";
    assert_lines("nobody, nothing, none", "src/a.rs", text, &[2]);
    assert_lines("semicolons", "src/a.rs", text, &[2]);
    assert_lines("semicolons", "tests/a.rs", text, &[]);
}

#[test]
fn test_names_without_a_subject_are_counted() {
    let row = "test names without a subject";
    let text = "#[test]\nfn on_smol() {}\n#[tokio::test(a = 1)]\nasync fn it_keeps_its_place() {}\n#[test]\n#[should_panic]\nfn none_is_lost() {}\n";
    assert_lines(row, "tests/a.rs", text, &[2, 4, 7]);
    let text = "proptest! {\n    #[test]\n    fn a_b(c in 0..1) {}\n}\n";
    assert_lines(row, "tests/a.rs", text, &[3]);
    let text = "#[test]\nfn items_are_kept() {}\nfn on_smol() {}\n#[cfg(test)]\nfn on_tokio() {}\nm! {\n    #[test]\n    fn $name() {}\n}\n";
    assert_lines(row, "tests/a.rs", text, &[]);
}

#[test]
fn words_of_test_names_are_prose() {
    let text = "#[test]\nfn nothing_is_told_twice() {}\n";
    assert_lines("nobody, nothing, none", "tests/a.rs", text, &[2]);
    assert_lines("tell", "tests/a.rs", text, &[2]);
}

#[test]
fn comments_over_100_columns_are_counted() {
    let row = "comments over 100 columns";
    let (long, fits) = ("a".repeat(98), "a".repeat(97));
    assert_lines(
        row,
        "src/a.rs",
        &format!("// {long}\nstruct A; // {fits}\n"),
        &[1, 2],
    );
    assert_lines(row, "src/a.rs", &format!("/// {long}\nstruct A;\n"), &[1]);
    assert_lines(
        row,
        "src/a.rs",
        &format!("// {fits}\n/// | {long} |\nstruct A;\n"),
        &[],
    );
    let text = format!("const A: &str = \"// {long}\";\n//! https://{long}\n");
    assert_lines(row, "src/a.rs", &text, &[]);
}

#[test]
fn comments_are_read_and_texts_that_look_like_them_are_not() {
    let text =
        "let a = \"// nobody\"; // nothing\nlet b = r#\"\n// none\n\"#;\n// It calls\n// nobody.\n";
    assert_lines("nobody, nothing, none", "src/a.rs", text, &[1, 6]);
}

#[test]
fn code_blocks_of_doc_comments_are_no_prose() {
    let text = "/// It runs.\n///\n/// ```\n/// nothing();\n///\n/// none();\n/// ```\n///\n/// - It is\n///   none.\nfn a() {}\n";
    assert_lines("nobody, nothing, none", "src/a.rs", text, &[10]);
}

#[test]
fn doc_comments_are_documents_except_in_tests() {
    let text = "/// Nothing.\n// Nothing.\nfn a() {}\n";
    let groups = |path: &str| -> Vec<Group> {
        let findings = Row::named("nobody, nothing, none").findings(&read(path, text));
        findings.into_iter().map(|finding| finding.group).collect()
    };
    assert_eq!(groups("src/a.rs"), [Group::Documents, Group::Comments]);
    for path in [
        "tests/it/a.rs",
        "src/a/tests.rs",
        "integrations/b/tests/a.rs",
    ] {
        assert_eq!(groups(path), [Group::Comments, Group::Comments], "{path}");
    }
    assert_eq!(read("src/a.rs", text).words(Group::Documents), 1);
}

#[test]
fn paragraphs_are_split_into_sentences_with_their_lines() {
    let lines = [
        "A send,",
        "e.g. `a. B`, runs. It",
        "ends. **So it is.** And",
        "",
        "| a | `b|c` |",
        "|---|---|",
        "1. first",
        "2. second",
    ];
    let lines: Vec<_> = (1..).zip(lines.map(str::to_owned)).collect();
    let found: Vec<_> = sentences(&lines)
        .into_iter()
        .map(|sentence| (sentence.line_at(0), sentence.text.trim().to_owned()))
        .collect();
    let expected = [
        (1, "A send, e.g. `a. B`, runs."),
        (2, "It ends."),
        (3, "**So it is.**"),
        (3, "And"),
        (5, "a"),
        (5, "`b|c`"),
        (7, "first"),
        (8, "second"),
    ];
    assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
}
