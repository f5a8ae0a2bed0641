//! The list of signals as a graph for Graphviz.

use std::fmt::Write as _;

use super::listed::SignalEntry;

/// Returns the list as a graph. A write to a `String` does not fail.
pub(super) fn dot(list: &[SignalEntry]) -> String {
    let mut dot = String::from("digraph signals {\n  rankdir=LR;\n  node [shape=box];\n");
    for (number, signal) in list.iter().enumerate() {
        let name = escaped(&signal.name);
        let _ = writeln!(dot, "  s{number} [label=\"{name}\", style=bold];");
        for it in &signal.connections {
            let id = it.id.number();
            let (name, file) = (escaped(&it.name), escaped(it.location.file()));
            let line = it.location.line();
            let _ = writeln!(dot, "  r{id} [label=\"{name}\\n{file}:{line}\"];");
            let sender = escaped(it.sender.as_deref().unwrap_or_default());
            let _ = writeln!(dot, "  s{number} -> r{id} [label=\"{sender}\"];");
        }
    }
    dot.push_str("}\n");
    dot
}

/// Returns the text for a label in quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
