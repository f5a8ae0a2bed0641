//! The prose of the checkout, in two groups.

use crate::markdown::{Sentence, sentences, split};
use crate::patterns::{Token, tokens};
use crate::rust::{Item, message_sentences, read};
use std::path::Path;
use std::sync::LazyLock;

/// The readers of a text: users, or people who change the code.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Group {
    /// Markdown files, doc comments and messages.
    Documents,
    /// `//` comments, names of tests, and all comments of tests.
    Comments,
}

/// An offender.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) group: Group,
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// A sentence with its words, and the file that it is in.
pub(crate) struct Placed {
    pub(crate) group: Group,
    pub(crate) path: String,
    pub(crate) sentence: Sentence,
    pub(crate) tokens: Vec<Token>,
}

/// The prose of some files, each part with the path of its file.
#[derive(Default)]
pub(crate) struct Corpus {
    pub(crate) sentences: Vec<Placed>,
    pub(crate) items: Vec<(Group, String, Item)>,
    pub(crate) messages: Vec<(String, usize, String)>,
    pub(crate) tests: Vec<(String, usize, String)>,
    pub(crate) long_lines: Vec<(Group, String, usize, String)>,
    /// The numbers of words of documents and of comments.
    words: [usize; 2],
}

impl Corpus {
    /// Returns the prose of the checkout, which is read once.
    pub(crate) fn of_the_checkout() -> &'static Self {
        static CHECKOUT: LazyLock<Corpus> = LazyLock::new(|| {
            let mut corpus = Corpus::default();
            corpus.add_folder(Path::new(env!("CARGO_MANIFEST_DIR")), "");
            corpus
        });
        &CHECKOUT
    }

    /// Reads the files of a folder in the order of their names.
    fn add_folder(&mut self, folder: &Path, path: &str) {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for entry in entries {
            let name = entry.file_name().unwrap().to_str().unwrap();
            let path = format!("{path}{name}");
            let is_made = ["target", "corpus", "artifacts", "coverage", "results"].contains(&name)
                || name.starts_with("mutants.out");
            if entry.is_dir() && !name.starts_with('.') && !is_made {
                self.add_folder(&entry, &format!("{path}/"));
            } else if name.ends_with(".md") || name.ends_with(".rs") {
                self.add_file(&path, &std::fs::read_to_string(&entry).unwrap());
            }
        }
    }

    /// Reads one file. Its path decides its group.
    pub(crate) fn add_file(&mut self, path: &str, text: &str) {
        if path.ends_with(".md") {
            let lines: Vec<_> = (1..).zip(text.lines().map(str::to_owned)).collect();
            self.add_sentences(Group::Documents, path, sentences(&lines));
            return;
        }
        let prose = read(text).unwrap_or_else(|error| panic!("{path} is no Rust: {error}"));
        let is_test = path
            .split('/')
            .any(|part| part == "tests" || part == "tests.rs");
        let group = if is_test {
            Group::Comments
        } else {
            Group::Documents
        };
        self.add_sentences(group, path, prose.docs);
        self.add_sentences(Group::Comments, path, prose.comments);
        let items = prose.items.into_iter();
        self.items
            .extend(items.map(|item| (group, path.to_owned(), item)));
        if !is_test {
            for (line, message) in prose.messages {
                self.add_sentences(group, path, message_sentences(line, &message));
                self.messages.push((path.to_owned(), line, message));
            }
        }
        for (line, name) in prose.tests {
            let words = vec![(line, name.replace('_', " "))];
            self.add_sentences(Group::Comments, path, split(&words, false));
            self.tests.push((path.to_owned(), line, name));
        }
        let lines = prose.long_lines.into_iter();
        self.long_lines
            .extend(lines.map(|(line, text)| (group, path.to_owned(), line, text)));
    }

    fn add_sentences(&mut self, group: Group, path: &str, sentences: Vec<Sentence>) {
        for sentence in sentences {
            let tokens = tokens(&sentence);
            self.words[group as usize] += tokens.iter().filter(|token| token.is_word()).count();
            self.sentences.push(Placed {
                group,
                path: path.to_owned(),
                sentence,
                tokens,
            });
        }
    }

    /// Returns the number of words of a group.
    pub(crate) fn words(&self, group: Group) -> usize {
        self.words[group as usize]
    }

    /// Returns the number of items, or of functions alone, that have a doc comment.
    pub(crate) fn items(&self, group: Group, functions_alone: bool) -> usize {
        let items = self.items.iter().filter(|(of, _, _)| *of == group);
        items
            .filter(|(_, _, item)| item.is_function || !functions_alone)
            .count()
    }
}
