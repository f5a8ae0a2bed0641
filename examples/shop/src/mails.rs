//! The mails, a file that stands for a mail server. It is outside of the database, so that a mail
//! can be sent twice.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::events::OrderPaid;

const FILE: &str = "mails.txt";

/// A mail that was sent, with the run of the worker that sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) run: i64,
    pub(crate) order: i64,
    pub(crate) customer: i64,
    pub(crate) nth: i64,
}

/// The mail server, as one run of the worker uses it.
pub(crate) struct Post {
    run: i64,
    file: File,
}

impl Post {
    pub(crate) fn open(folder: &Path, run: i64) -> io::Result<Self> {
        let file = File::options()
            .append(true)
            .create(true)
            .open(folder.join(FILE))?;
        Ok(Post { run, file })
    }

    /// Sends a mail, by one write, so that a kill leaves no half of a line.
    pub(crate) fn send(&self, paid: &OrderPaid) -> io::Result<()> {
        let OrderPaid {
            order,
            customer,
            nth,
            address,
            ..
        } = paid;
        let line = format!("{} {order} {customer} {nth} {address}\n", self.run);
        (&self.file).write_all(line.as_bytes())
    }
}

/// Returns the mails in the order in which they were sent.
pub(crate) fn read(folder: &Path) -> io::Result<Vec<Mail>> {
    let text = match fs::read_to_string(folder.join(FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        text => text?,
    };
    text.lines().map(parse).collect()
}

fn parse(line: &str) -> io::Result<Mail> {
    let mut numbers = line.split(' ').map(str::parse);
    let mut next = || numbers.next()?.ok();
    let mut mail = || {
        Some(Mail {
            run: next()?,
            order: next()?,
            customer: next()?,
            nth: next()?,
        })
    };
    mail().ok_or_else(|| io::Error::other(format!("{FILE} has a line that is no mail: {line:?}")))
}
