//! The list of signals as a flowchart for Mermaid.

use std::fmt::Write as _;

use super::listed::SignalEntry;

/// Returns the list as a flowchart. A write to a `String` does not fail.
pub(super) fn mermaid(list: &[SignalEntry]) -> String {
    let mut chart = String::from("flowchart LR\n");
    for (number, signal) in list.iter().enumerate() {
        let name = escaped(&signal.name);
        let _ = writeln!(chart, "  s{number}([\"{name}\"])");
        for it in &signal.connections {
            let id = it.id.number();
            let (name, file) = (escaped(&it.name), escaped(it.location.file()));
            let line = it.location.line();
            let _ = writeln!(chart, "  r{id}[\"{name}<br/>{file}:{line}\"]");
            let _ = match &it.sender {
                Some(sender) => {
                    let sender = escaped(sender);
                    writeln!(chart, "  s{number} -->|\"{sender}\"| r{id}")
                }
                None => writeln!(chart, "  s{number} --> r{id}"),
            };
        }
    }
    chart
}

/// Returns the text for a label in quotes. Mermaid reads HTML in labels, and has `#` in front of
/// its character codes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '#' | '<' | '>' | '&' | '`' | '\n' => {
                let _ = write!(escaped, "#{};", u32::from(c));
            }
            _ => escaped.push(c),
        }
    }
    escaped
}
