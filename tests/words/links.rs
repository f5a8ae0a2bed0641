//! Links of the documents that are modules or the front page on docs.rs.
//!
//! A link that is relative works on a forge, and is dead on docs.rs. So each document has its links
//! as references. The sources define them in front of the document, for rustdoc, which takes the
//! first definition of a name. The document defines them at its end, for a forge.

use crate::markdown::code_span;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The sources that include documents.
const SOURCES: &[&str] = &["src/lib.rs", "src/docs.rs"];

/// Targets by the name of their reference.
type Definitions = BTreeMap<String, String>;

/// A document with the definitions that stand in front of it.
#[derive(Debug, PartialEq)]
struct Included {
    path: String,
    before: Definitions,
}

/// Returns the documents that a source includes.
fn included(source: &str) -> Vec<Included> {
    let mut found = Vec::new();
    let mut before = Definitions::new();
    for line in source.lines() {
        let line = line.trim();
        let doc = ["//!", "///"]
            .iter()
            .find_map(|mark| line.strip_prefix(mark));
        if let Some((name, target)) = doc.and_then(|doc| definition(doc.trim())) {
            before.entry(name).or_insert(target);
        } else if let Some((_, rest)) = line.split_once("include_str!(\"../") {
            let path = rest.split('"').next().unwrap_or_default().to_owned();
            let before = std::mem::take(&mut before);
            found.push(Included { path, before });
        }
    }
    found
}

/// Returns the name and the target of a line that defines a reference.
fn definition(line: &str) -> Option<(String, String)> {
    let (name, target) = line.strip_prefix('[')?.split_once("]: ")?;
    Some((name.to_lowercase(), target.trim().to_owned()))
}

/// Returns the text of a document without its code blocks and code spans.
fn without_code(text: &str) -> String {
    let mut prose = String::new();
    let mut in_block = false;
    for line in text.lines() {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        if !is_fence && !in_block {
            prose.push_str(line);
        }
        prose.push('\n');
    }
    let mut at = 0;
    let mut plain = String::new();
    while let Some(tick) = prose[at..].find('`').map(|offset| at + offset) {
        plain.push_str(&prose[at..tick]);
        at = tick + code_span(&prose[tick..]).unwrap_or(1);
        plain.push('_');
    }
    plain + &prose[at..]
}

/// Returns the places that a document links to: those of inline links, and those of references by
/// their definitions, of which the first ones count.
fn targets(text: &str, definitions: &[&Definitions]) -> BTreeSet<String> {
    let text = without_code(text);
    let mut found = BTreeSet::new();
    let resolve = |name: &str| {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let name = name.to_lowercase();
        definitions
            .iter()
            .find_map(|names| names.get(&name))
            .cloned()
    };
    for (at, _) in text.match_indices('[') {
        let Some(end) = text[at..].find(']').map(|end| at + end) else {
            continue;
        };
        let (label, rest) = (&text[at + 1..end], &text[end + 1..]);
        if rest.starts_with(':') {
            continue;
        }
        found.extend(resolve(label));
        if let Some(rest) = rest.strip_prefix('(') {
            found.extend(rest.split([')', ' ']).next().map(str::to_owned));
        } else if let Some(name) = rest
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next())
        {
            let target = resolve(name);
            found.insert(target.unwrap_or_else(|| format!("{name} (undefined)")));
        }
    }
    found
}

/// Returns the definitions of a document.
fn definitions_of(text: &str) -> Definitions {
    text.lines().filter_map(definition).collect()
}

/// Returns `true` if a target works on docs.rs: a page elsewhere, a heading, or a path of Rust.
fn works_on_docs_rs(target: &str) -> bool {
    let is_path = target.split('#').next().is_some_and(|path| {
        let path = path.strip_prefix("crate::").unwrap_or(path);
        path.starts_with("docs::") && !path.contains(['/', '.'])
    });
    target.starts_with("https://") || target.starts_with('#') || is_path
}

#[test]
fn documents_have_no_link_that_is_dead_on_docs_rs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = BTreeSet::new();
    let mut dead = String::new();
    for source in SOURCES {
        for Included { path, before } in included(&fs::read_to_string(root.join(source)).unwrap()) {
            let text = fs::read_to_string(root.join(&path)).unwrap();
            let own = definitions_of(&text);
            for target in targets(&text, &[&before, &own]) {
                if !works_on_docs_rs(&target) {
                    dead += &format!("{path} links to {target}: define it in {source}\n");
                }
            }
            let folder = root.join(&path);
            let folder = folder.parent().unwrap();
            for target in targets(&text, &[&own]) {
                let file = target.split('#').next().unwrap_or_default();
                if !target.starts_with("https://") && !folder.join(file).exists() {
                    dead += &format!("{path} links to {target}: define it at the end of {path}\n");
                }
            }
            documents.insert(path);
        }
    }
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // Only people who change the code read it.
        if name.ends_with(".md") && name != "mutants.md" {
            let path = format!("docs/{name}");
            assert!(
                documents.contains(&path),
                "{path} is no module: add it to src/docs.rs"
            );
        }
    }
    assert!(dead.is_empty(), "links of documents are dead:\n{dead}");
}

#[test]
fn links_are_found_in_each_form_and_not_in_code() {
    let source = "//! [a]: docs::a\n//! [b c]: https://example.org\n\
                  #![doc = include_str!(\"../README.md\")]\n\
                  /// [d]: crate::docs::d#part\n#[doc = include_str!(\"../docs/e.md\")]\n";
    let found = included(source);
    let paths: Vec<_> = found
        .iter()
        .map(|document| document.path.as_str())
        .collect();
    assert_eq!(paths, ["README.md", "docs/e.md"]);
    assert_eq!(found[0].before.len(), 2);
    assert_eq!(found[1].before["d"], "crate::docs::d#part");

    let text = "An [inline](x.md) link, a [`named`][A] one over\n[two\nlines][b\nc], a [d], `[no](y.md)`,\n\
                ![an image](z.svg \"title\"), an [unknown][e] one, and a list: [1, 2].\n\n\
                ```\nlet [no](w.md);\n```\n\n[d]: d.md\n[a]: a.md\n";
    let own = definitions_of(text);
    let targets: Vec<String> = targets(text, &[&found[0].before, &own])
        .into_iter()
        .collect();
    let expected = [
        "d.md",
        "docs::a",
        "e (undefined)",
        "https://example.org",
        "x.md",
        "z.svg",
    ];
    assert_eq!(targets, expected);
    let works: Vec<_> = targets
        .iter()
        .filter(|target| works_on_docs_rs(target))
        .collect();
    assert_eq!(works, ["docs::a", "https://example.org"]);
}
