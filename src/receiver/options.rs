//! The options of a connection, as the receiver stores them.

use std::borrow::Cow;
#[cfg(feature = "testing")]
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::limit::Limit;
use crate::kind::ReceiverKind;
use crate::sender::SenderKey;
use crate::tap::context::Context;
#[cfg(feature = "testing")]
use crate::tap::scope::Scope;

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
    /// `true` if the first send of the sender has selected the receiver. It is no wish. It is here
    /// because this struct has room for it.
    pub(crate) sent: AtomicBool,
    rare: Option<Box<Rare>>,
}

#[derive(Default)]
pub(crate) struct Rare {
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) uid: Option<Cow<'static, str>>,
    pub(crate) limit: Option<Limit>,
    /// The scope of a test, which alone has the receiver.
    #[cfg(feature = "testing")]
    pub(crate) scope: Option<Arc<Scope>>,
    /// The tags, each once.
    pub(crate) tags: Vec<Cow<'static, str>>,
    pub(crate) budget: Option<Duration>,
}

impl Options {
    pub(crate) fn new() -> Self {
        Options {
            sender: None,
            priority: 0,
            kind: ReceiverKind::Called,
            weak: false,
            sent: AtomicBool::new(false),
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

    /// Keeps the receiver to the scope of a test that this thread is in, if it is in one.
    #[cfg(feature = "testing")]
    pub(crate) fn enter_scope(&mut self) {
        if let Some(scope) = Context::current().recorded() {
            scope.note_receiver();
            self.rare_mut().scope = Some(scope);
        }
    }

    /// Returns the scope of a test that alone has the receiver.
    #[cfg(feature = "testing")]
    pub(crate) fn scope(&self) -> Option<&Arc<Scope>> {
        self.rare.as_ref()?.scope.as_ref()
    }

    /// Returns `true` if a send in `context` has the receiver.
    pub(crate) fn is_in(&self, context: &Context) -> bool {
        #[cfg(feature = "testing")]
        if let Some(scope) = self.scope() {
            return context.is_in_scope(scope.number);
        }
        let _ = context;
        true
    }

    pub(crate) fn tags(&self) -> &[Cow<'static, str>] {
        self.rare.as_ref().map_or(&[], |rare| &rare.tags)
    }

    /// Returns the time that the receiver may take before observers are informed.
    pub(crate) fn budget(&self) -> Option<Duration> {
        self.rare.as_ref()?.budget
    }

    /// Returns the limit of a receiver that does not run in every send.
    pub(crate) fn limit(&self) -> Option<&Limit> {
        self.rare.as_ref()?.limit.as_ref()
    }
}
