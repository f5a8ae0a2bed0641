//! The log: one line on stderr for each event.

use std::fmt;
use std::io::Write;

/// Writes one line to stderr. Takes the arguments of [`format!`].
macro_rules! log {
    ($($line:tt)+) => { $crate::log::write(format_args!($($line)+)) };
}

pub(crate) use log;

/// Writes one line to stderr in one piece. A line that cannot be written is dropped, so that a
/// closed stderr stops no request.
pub(crate) fn write(line: fmt::Arguments<'_>) {
    let mut line = escaped(&line.to_string());
    line.push('\n');
    _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// Escapes the characters that a terminal does not print: a typed line break cannot begin a line
/// of its own, and a typed escape sequence cannot change the terminal.
fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for symbol in text.chars() {
        match symbol {
            // These print as they are, and `escape_debug` escapes them.
            '"' | '\'' | '\\' => line.push(symbol),
            _ => line.extend(symbol.escape_debug()),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn control_characters_of_a_log_line_are_escaped() {
        for (typed, logged) in [
            ("a\r\nend 1 200", r"a\r\nend 1 200"),
            ("\u{1b}[2J", r"\u{1b}[2J"),
            ("\u{7f}\u{9b}31m", r"\u{7f}\u{9b}31m"),
            // Reverses the rest of the line on a terminal.
            ("\u{202e}drow", r"\u{202e}drow"),
            (r#"a "b" 'c' \d é"#, r#"a "b" 'c' \d é"#),
        ] {
            assert_eq!(escaped(typed), logged);
        }
    }
}
