//! Sends mails to a mail server, or puts them into a mailbox that anybody can read.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU8;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};

use crate::mailer::GOOD_FOR;
use crate::model::reset_request;
use crate::one_time;
use crate::smtp::MailServer;
use crate::{Fatal, setting};

/// The time that a mail server has for one mail by default, from the connection to the last reply.
const TIMEOUT: u8 = 15;
/// The number of mails that the mailbox keeps.
const MAILBOX: usize = 100;

pub(crate) struct Post {
    from: Mailbox,
    way: Way,
}

enum Way {
    Smtp(Box<MailServer>),
    Mailbox(Mutex<VecDeque<String>>),
}

/// Why a mail has not left.
#[derive(Debug)]
pub(crate) enum PostError {
    Message(lettre::error::Error),
    /// There is no session for any mail, or not with these credentials.
    Session(lettre::transport::smtp::Error),
    Smtp(lettre::transport::smtp::Error),
    Timeout(Duration),
}

impl Post {
    /// Over `SMTP_URL`, such as `smtps://name:password@mail.example.org`, from `MAIL_FROM`, within
    /// `SMTP_TIMEOUT`. Into the mailbox if there is no `SMTP_URL`.
    pub(crate) fn from_environment() -> Result<Self, Fatal> {
        let from = setting("MAIL_FROM")?;
        let from = from.unwrap_or_else(|| "Forgot Password <noreply@localhost>".to_owned());
        let timeout = setting("SMTP_TIMEOUT")?.unwrap_or_else(|| TIMEOUT.to_string());
        let timeout: NonZeroU8 = timeout
            .parse()
            .map_err(|error| format!("SMTP_TIMEOUT is {timeout:?}: {error}"))?;
        let timeout = Duration::from_secs(timeout.get().into());
        let server = setting("SMTP_URL")?.map(|url| MailServer::from_url(&url, timeout));
        // Without the value, which may have a password in it.
        let server = server.transpose();
        let server = server.map_err(|error| format!("SMTP_URL: {error}"))?;
        Post::new(&from, server)
    }

    /// Mails over `server`, or into the mailbox without one.
    pub(crate) fn new(from: &str, server: Option<MailServer>) -> Result<Self, Fatal> {
        let way = match server {
            Some(server) => Way::Smtp(Box::new(server)),
            None => Way::Mailbox(Mutex::default()),
        };
        let from = from
            .parse()
            .map_err(|error| format!("MAIL_FROM is {from:?}: {error}"))?;
        Ok(Post { from, way })
    }

    /// Returns the time that a mail takes at most.
    pub(crate) fn timeout(&self) -> Duration {
        match &self.way {
            Way::Smtp(server) => server.timeout,
            Way::Mailbox(_) => Duration::ZERO,
        }
    }

    /// Returns the mails in the mailbox, the newest first, or `None` if mails go to a mail server.
    pub(crate) fn mailbox(&self) -> Option<Vec<String>> {
        let Way::Mailbox(mails) = &self.way else {
            return None;
        };
        let mails = mails.lock().unwrap_or_else(PoisonError::into_inner);
        Some(mails.iter().cloned().collect())
    }

    /// Returns `true` if mails go to the mailbox.
    pub(crate) fn has_mailbox(&self) -> bool {
        matches!(self.way, Way::Mailbox(_))
    }

    /// Returns another one for each try, because each mails another password.
    fn message_id(&self) -> String {
        let number: u128 = rand::random();
        format!("<{number:032x}@{}>", self.from.email.domain())
    }

    /// Mails the one-time password for this request.
    pub(crate) async fn send(
        &self,
        request: &reset_request::Model,
        code: &str,
    ) -> Result<(), PostError> {
        let text = format!(
            "Somebody, perhaps you, has asked for a new password.\r\n\r\n\
             Your one-time password: {}\r\n\r\n\
             It is good once, for {} minutes. A mail that comes later voids it.\r\n\
             If it was not you, do nothing: your password stays as it is.\r\n",
            one_time::for_people(code),
            GOOD_FOR.as_secs() / 60,
        );
        let envelope = request.email.envelope(&self.from);
        let envelope = envelope.map_err(PostError::Message)?;
        let mail = Message::builder()
            .envelope(envelope)
            .message_id(Some(self.message_id()))
            .raw_header(auto_submitted())
            .from(self.from.clone())
            .to(request.email.to_header())
            .subject("Your one-time password")
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(PostError::Message)?;
        match &self.way {
            Way::Smtp(server) => server.send(&mail).await?,
            Way::Mailbox(mails) => {
                let mail = String::from_utf8_lossy(&mail.formatted()).into_owned();
                let mut mails = mails.lock().unwrap_or_else(PoisonError::into_inner);
                mails.push_front(mail);
                mails.truncate(MAILBOX);
            }
        }
        Ok(())
    }
}

/// RFC 3834: keeps programs that answer mails, such as out-of-office notes, from answering this
/// one.
fn auto_submitted() -> HeaderValue {
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    HeaderValue::new(name, "auto-generated".to_owned())
}

impl PostError {
    /// Returns `true` if each further try would end like this one: the mail cannot be written, or
    /// the server refuses it for good, with a reply from 540 on, such as 550 or 554. The replies
    /// from 500 to 539 and those before the mail are about the program, the session or the
    /// credentials of `SMTP_URL`. Once these are right, the mails that are owed leave.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            PostError::Message(_) => true,
            PostError::Smtp(error) => {
                let code = error.status().map_or(0, u16::from);
                (540..600).contains(&code)
            }
            PostError::Session(_) | PostError::Timeout(_) => false,
        }
    }
}

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PostError::Message(error) => write!(f, "the mail cannot be written: {error}"),
            PostError::Session(error) | PostError::Smtp(error) => {
                write!(f, "the mail server: {error}")
            }
            PostError::Timeout(limit) => write!(f, "the mail server took longer than {limit:?}"),
        }
    }
}
