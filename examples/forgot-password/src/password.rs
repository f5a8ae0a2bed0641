//! The passwords that people choose: their form, and which are refused.

use unicode_normalization::UnicodeNormalization;
use zxcvbn::{Score, zxcvbn};

use crate::email::Email;

/// The characters of which the strength is estimated: the time for that grows faster than their
/// number.
const ESTIMATED: usize = 48;

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PasswordError {
    Length,
    Guessable,
}

/// Returns the text that is hashed for a typed password: in Unicode's NFC, because one keyboard
/// types `ä` as one character and another as two.
pub(crate) fn normal(typed: &str) -> String {
    typed.nfc().collect()
}

/// Returns the text that is hashed for a password that is chosen for this address. Longer ones
/// would only be more work to hash; and of the others those are refused that are guessed within a
/// million tries, such as `password1`, `qwertyuiop`, or one made of the address.
pub(crate) fn choose(typed: &str, email: &Email) -> Result<String, PasswordError> {
    let chosen = normal(typed);
    if !(8..=128).contains(&chosen.chars().count()) {
        return Err(PasswordError::Length);
    }
    let start: String = chosen.chars().take(ESTIMATED).collect();
    let email = email.to_string();
    let names: Vec<&str> = email.split(['@', '.', '+', '-', '_']).collect();
    let names: Vec<&str> = [&*email].into_iter().chain(names).collect();
    if zxcvbn(&start, &names).score() < Score::Two {
        return Err(PasswordError::Guessable);
    }
    Ok(chosen)
}

/// Reads the lists of words now, and not with the first password.
pub(crate) fn prepare() {
    zxcvbn("correct horse", &[]);
}

impl PasswordError {
    /// The sentence that the person reads.
    pub(crate) fn message(self) -> &'static str {
        match self {
            PasswordError::Length => "A password has 8 to 128 characters.",
            PasswordError::Guessable => {
                "That password is too easily guessed. Several words that do not belong together are \
                 better."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PasswordError, choose, normal};

    #[test]
    fn a_password_is_one_however_its_letters_are_typed() {
        assert_eq!(normal("a\u{308}pfel"), normal("\u{e4}pfel"));
        assert_ne!(normal("apfel"), normal("\u{e4}pfel"));
    }

    #[test]
    fn passwords_that_are_guessed_first_are_refused() {
        let email = "ada.lovelace@example.org".parse().unwrap();
        for bad in [
            "12345678",
            "password1",
            "P@ssw0rd",
            "qwertyuiop",
            "aaaaaaaaaaaa",
            "iloveyou",
            "lovelace",
            "ada.lovelace@example.org",
        ] {
            let refused = choose(bad, &email);
            assert_eq!(refused, Err(PasswordError::Guessable), "{bad}");
        }
        for good in [
            "correct horse",
            "battery staple",
            "another pass",
            "\u{c4}rger im B\u{fc}ro",
        ] {
            assert!(choose(good, &email).is_ok(), "{good}");
        }
        for length in [0, 7, 129] {
            let refused = choose(&"x".repeat(length), &email);
            assert_eq!(refused, Err(PasswordError::Length), "{length}");
        }
    }
}
