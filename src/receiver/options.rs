//! The options of a connection, as the receiver stores them.

use std::borrow::Cow;

use super::kind::ReceiverKind;
use super::limit::Limit;
use crate::sender::SenderKey;

/// The wishes of a user for a connection, apart from the callable.
///
/// The common options are here and the others in a box, because a signal may have a million
/// receivers.
pub(crate) struct Options {
    /// The sender, or `None` for any sender.
    pub(crate) sender: Option<SenderKey>,
    pub(crate) priority: i32,
    /// `Called`, or `Blocking` if an async send must call the receiver where it may block. The
    /// callable decides if it is of another kind.
    pub(crate) kind: ReceiverKind,
    /// `true` if the receiver is a method of an object that it does not keep alive.
    pub(crate) weak: bool,
    rare: Option<Box<Rare>>,
}

#[derive(Default)]
pub(crate) struct Rare {
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) uid: Option<Cow<'static, str>>,
    pub(crate) limit: Option<Limit>,
}

impl Options {
    pub(crate) fn new() -> Self {
        Options {
            sender: None,
            priority: 0,
            kind: ReceiverKind::Called,
            weak: false,
            rare: None,
        }
    }

    pub(crate) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn name(&self) -> Option<&Cow<'static, str>> {
        self.rare.as_ref()?.name.as_ref()
    }

    pub(crate) fn uid(&self) -> Option<&Cow<'static, str>> {
        self.rare.as_ref()?.uid.as_ref()
    }

    /// Returns the limit of a receiver that does not run in every send.
    pub(crate) fn limit(&self) -> Option<&Limit> {
        self.rare.as_ref()?.limit.as_ref()
    }
}
