//! The addresses that people type, and the form in which they are stored and mailed to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use idna::AsciiDenyList;
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::Mailbox;
use sea_orm::DeriveValueType;
use sea_orm::sea_query::ValueTypeErr;

// Both are public, because SeaORM's derives want the models that hold an `Email` to be public.

/// An address that each mail server takes: in small letters, with its domain in the ASCII form of
/// IDNA, without quotes, and with the name of a host.
#[derive(Clone, Debug, PartialEq, Eq, DeriveValueType)]
#[sea_orm(value_type = "String", from_str = "Email::stored")]
pub struct Email(Address);

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailError {
    /// It is no address, or not one that a mail's head can hold.
    NoAddress,
    /// Its first part is quoted, or has letters that most mail servers refuse.
    Local,
    /// It names a machine by its number.
    Number,
}

/// Providers that ignore dots in the first part of an address, under each of their domains.
const WITHOUT_DOTS: [&str; 2] = ["gmail.com", "googlemail.com"];

impl Email {
    /// The name under which the address is looked up and limited, in one form for all its aliases:
    /// without `+` and what follows it, and without the dots that the provider ignores.
    pub(crate) fn mailbox(&self) -> String {
        let (user, domain) = (self.0.user(), self.0.domain());
        let user = match user.split_once('+') {
            Some((before, _)) if !before.is_empty() => before,
            _ => user,
        };
        if WITHOUT_DOTS.contains(&domain) {
            return format!("{}@{}", user.replace('.', ""), WITHOUT_DOTS[0]);
        }
        format!("{user}@{domain}")
    }

    /// The envelope of a mail to this address.
    pub(crate) fn envelope(&self, from: &Mailbox) -> Result<Envelope, lettre::error::Error> {
        Envelope::new(Some(from.email.clone()), vec![self.0.clone()])
    }

    /// The address in the head of a mail to it.
    pub(crate) fn to_header(&self) -> Mailbox {
        Mailbox::new(None, self.0.clone())
    }

    fn stored(column: &str) -> Result<Self, ValueTypeErr> {
        column.parse().map_err(|_| ValueTypeErr)
    }
}

impl FromStr for Email {
    type Err = EmailError;

    fn from_str(typed: &str) -> Result<Self, EmailError> {
        let typed = typed.trim();
        // lettre is asked as well: it refuses signs that would end a line of the mail's head.
        let parsed: Address = typed.parse().map_err(|_| EmailError::NoAddress)?;
        let (user, domain) = (parsed.user(), parsed.domain());
        if user.contains('"') || !user.is_ascii() {
            return Err(EmailError::Local);
        }
        if domain.starts_with('[') || domain.parse::<IpAddr>().is_ok() {
            return Err(EmailError::Number);
        }
        let domain = idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::STD3);
        let domain = domain.map_err(|_| EmailError::NoAddress)?;
        // Other digits become ASCII ones there.
        if domain.parse::<IpAddr>().is_ok() {
            return Err(EmailError::Number);
        }
        let address = Address::new(user.to_ascii_lowercase(), domain);
        address.map(Email).map_err(|_| EmailError::NoAddress)
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl EmailError {
    /// The sentence that the person reads.
    pub(crate) fn message(self) -> &'static str {
        match self {
            EmailError::NoAddress => "That is no e-mail address.",
            EmailError::Local => {
                "The part of an e-mail address before the @ can have letters from a to z, digits, \
                 dots and signs such as - and +, without quotes."
            }
            EmailError::Number => {
                "The part of an e-mail address after the @ must be a name such as example.org, and \
                 not a number."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Email, EmailError};

    fn parsed(typed: &str) -> Result<String, EmailError> {
        typed.parse().map(|email: Email| email.to_string())
    }

    #[test]
    fn addresses_are_stored_in_small_letters_and_ascii_domains() {
        for (typed, stored) in [
            (" Ada@Example.ORG ", "ada@example.org"),
            ("ada@bücher.example", "ada@xn--bcher-kva.example"),
            ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
            ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
            ("o'neill+x@example.org", "o'neill+x@example.org"),
        ] {
            assert_eq!(parsed(typed).as_deref(), Ok(stored), "{typed}");
            assert_eq!(parsed(stored).as_deref(), Ok(stored), "{stored}");
        }
    }

    #[test]
    fn addresses_that_could_never_be_mailed_are_refused() {
        for (typed, why) in [
            ("\"ada lovelace\"@example.org", EmailError::Local),
            ("\"ada\"@example.org", EmailError::Local),
            ("ädä@example.org", EmailError::Local),
            ("ada@[127.0.0.1]", EmailError::Number),
            ("ada@[2606:4700:4700::1111]", EmailError::Number),
            ("ada@127.0.0.1", EmailError::Number),
            ("ada@127.0.0.１", EmailError::Number),
            ("ada@example.org.", EmailError::NoAddress),
            ("ada@exa mple.org", EmailError::NoAddress),
            (
                "ada@example.org\r\nBcc: eve@example.org",
                EmailError::NoAddress,
            ),
            ("ada", EmailError::NoAddress),
            ("", EmailError::NoAddress),
        ] {
            assert_eq!(parsed(typed), Err(why), "{typed}");
        }
    }

    #[test]
    fn the_aliases_of_a_mailbox_have_one_name() {
        for (typed, mailbox) in [
            ("ada@example.org", "ada@example.org"),
            ("Ada+1@example.org", "ada@example.org"),
            ("ada+1+2@example.org", "ada@example.org"),
            ("a.da@example.org", "a.da@example.org"),
            ("+ada@example.org", "+ada@example.org"),
            ("a.d.a+x@googlemail.com", "ada@gmail.com"),
        ] {
            let email: Email = typed.parse().unwrap();
            assert_eq!(email.mailbox(), mailbox, "{typed}");
        }
    }
}
