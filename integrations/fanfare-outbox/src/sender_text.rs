//! Senders as text, for the database.

use fanfare::Sender;

/// Returns the stored form of a sender, or `None` for a type or an identity, which another process
/// cannot have.
pub(crate) fn stored(sender: Sender<'_>) -> Option<String> {
    if sender == Sender::NONE {
        return Some(String::new());
    }
    if let Some(name) = sender.name() {
        return Some(format!("name:{name}"));
    }
    // A sender displays its number, and has no method for it.
    let text = sender.to_string();
    let number = text.strip_prefix("key ")?.parse().ok()?;
    (Sender::key(number) == sender).then(|| format!("key:{number}"))
}

/// Returns the sender of a stored form.
pub(crate) fn read(text: &str) -> Sender<'_> {
    if let Some(name) = text.strip_prefix("name:") {
        return Sender::named(name);
    }
    let number = text.strip_prefix("key:").and_then(|it| it.parse().ok());
    number.map_or(Sender::NONE, Sender::key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_senders_are_read_again() {
        let senders = [
            Sender::NONE,
            Sender::named("till"),
            Sender::named("key:7"),
            Sender::named(""),
            Sender::key(7),
            Sender::from(-1),
        ];
        for sender in senders {
            assert_eq!(read(&stored(sender).unwrap()), sender);
        }
        assert_eq!(stored(Sender::of::<u8>()), None);
        assert_eq!(stored(Sender::identity(&fanfare::Identity::new())), None);
    }
}
