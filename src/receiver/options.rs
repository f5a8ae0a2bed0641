//! The options of a connection, as the receiver keeps them.

use std::borrow::Cow;

use super::limit::Limit;
use crate::sender::SenderKey;

/// What a user asked of a connection, apart from the callable.
#[derive(Default)]
pub(crate) struct Options {
    /// The sender; `None` for any.
    pub(crate) sender: Option<SenderKey>,
    /// Boxed: most receivers have neither.
    pub(crate) labels: Option<Box<Labels>>,
    pub(crate) priority: i32,
    pub(crate) limit: Limit,
    /// Whether an async send calls the receiver where it may block the thread.
    pub(crate) blocking: bool,
}

/// The texts that a user gave to a receiver.
#[derive(Default)]
pub(crate) struct Labels {
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) uid: Option<Cow<'static, str>>,
}

impl Options {
    pub(crate) fn labels_mut(&mut self) -> &mut Labels {
        self.labels.get_or_insert_default()
    }

    pub(crate) fn name(&self) -> Option<&Cow<'static, str>> {
        self.labels.as_ref()?.name.as_ref()
    }

    pub(crate) fn uid(&self) -> Option<&Cow<'static, str>> {
        self.labels.as_ref()?.uid.as_ref()
    }
}
