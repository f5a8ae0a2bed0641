//! The list of signals as JSON.

use std::fmt::{Display, Write as _};

use super::listed::SignalEntry;
use crate::tap::info::ConnectionInfo;

/// The bytes that most connections need at most.
const PER_CONNECTION: usize = 256;

/// Returns the list as JSON.
pub(super) fn json(list: &[SignalEntry]) -> String {
    let connections: usize = list.iter().map(|signal| signal.connections.len()).sum();
    let mut json = Json(String::with_capacity(PER_CONNECTION * connections));
    json.0.push_str(r#"{"version":1,"signals":["#);
    json.each(list, Json::signal);
    json.0.push('}');
    json.0
}

/// A text to which JSON is written. A write to a `String` does not fail.
struct Json(String);

impl Json {
    /// Writes the elements of an array, and its end.
    fn each<T>(&mut self, elements: &[T], write: impl Fn(&mut Self, &T)) {
        for (number, element) in elements.iter().enumerate() {
            if number > 0 {
                self.0.push(',');
            }
            write(self, element);
        }
        self.0.push(']');
    }

    fn signal(&mut self, it: &SignalEntry) {
        self.0.push_str(r#"{"number":"#);
        self.or_null(it.number);
        self.text_of("name", Some(&it.name));
        self.text_of("event", Some(it.event));
        self.text_of("response", Some(it.response));
        self.value_of("declared", Some(it.declared));
        self.text_of("file", it.file);
        self.value_of("line", it.line);
        self.text_of(
            "frozen_at",
            it.frozen_at.map(ToString::to_string).as_deref(),
        );
        self.0.push_str(r#","connections":["#);
        self.each(&it.connections, Self::connection);
        self.0.push('}');
    }

    fn connection(&mut self, it: &ConnectionInfo) {
        self.0.push_str(r#"{"id":"#);
        self.or_null(Some(it.id.number()));
        self.text_of("name", Some(&it.name));
        self.text_of("file", Some(it.location.file()));
        self.value_of("line", Some(it.location.line()));
        self.text_of("sender", it.sender.as_deref());
        self.text_of("dispatch_uid", it.dispatch_uid.as_deref());
        self.property("tags");
        self.0.push('[');
        self.each(&it.tags, |json, tag| json.text(tag));
        self.value_of("priority", Some(it.priority));
        self.value_of("max_calls", it.max_calls);
        self.value_of("weak", Some(it.weak));
        self.text_of("kind", Some(it.kind.in_words()));
        self.value_of("live", Some(it.live));
        self.0.push('}');
    }

    /// Writes a property whose value is a number or `true` or `false`.
    fn value_of(&mut self, name: &str, value: Option<impl Display>) {
        self.property(name);
        self.or_null(value);
    }

    /// Writes a property whose value is a text.
    fn text_of(&mut self, name: &str, text: Option<&str>) {
        self.property(name);
        match text {
            Some(text) => self.text(text),
            None => self.0.push_str("null"),
        }
    }

    fn property(&mut self, name: &str) {
        self.0.push_str(",\"");
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    fn or_null(&mut self, value: Option<impl Display>) {
        match value {
            Some(value) => {
                let _ = write!(self.0, "{value}");
            }
            None => self.0.push_str("null"),
        }
    }

    /// Writes a text in quotes. JSON wants quotes, backslashes and control characters escaped.
    fn text(&mut self, text: &str) {
        self.0.push('"');
        // The whole text is looked at first, many bytes at a time, because few texts are special.
        if !text.bytes().fold(false, |any, byte| any | is_special(byte)) {
            self.0.push_str(text);
            self.0.push('"');
            return;
        }
        let mut rest = text;
        while let Some(at) = rest.bytes().position(is_special) {
            let (plain, special) = rest.split_at(at);
            self.0.push_str(plain);
            let mut after = special.chars();
            let special = after.next().expect("a character was found");
            match special {
                '"' | '\\' => self.0.extend(['\\', special]),
                _ => {
                    let _ = write!(self.0, "\\u{:04x}", u32::from(special));
                }
            }
            rest = after.as_str();
        }
        self.0.push_str(rest);
        self.0.push('"');
    }
}

/// Returns `true` if JSON wants the byte escaped. Such a byte is a character of its own in UTF-8.
fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}
