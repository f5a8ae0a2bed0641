//! A receiver on its way to a table, and the key that names one.

use std::panic::Location;
use std::sync::{Arc, Weak};

use crate::event::Event;
use crate::id::ReceiverId;
use crate::kind::ReceiverKind;
use crate::receiver::callee::Callee;
use crate::receiver::entry::{About, Receive};
use crate::receiver::key::{Identified, Key};
use crate::receiver::options::Options;
use crate::receiver::slot::Slot;
use crate::receiver::{Entry, Hub};
use crate::sender::Sender;
use crate::table::link::Link;
#[cfg(feature = "testing")]
use crate::tap::scope::Scope;

/// A receiver with its options, ready to be connected.
pub struct Prepared<E: Event, R: 'static>(Arc<dyn Receive<E, R>>);

impl<E: Event, R: 'static> Prepared<E, R> {
    pub(crate) fn new<C: Callee<E, R>>(
        location: &'static Location<'static>,
        mut options: Options,
        callee: C,
    ) -> Self {
        options.weak = C::WEAK;
        if C::KIND != ReceiverKind::Called {
            options.kind = C::KIND;
        }
        let about = About {
            link: Link::new(0),
            hub: Weak::new(),
            location,
            options,
        };
        Prepared(Arc::new(Slot::new(about, callee)))
    }

    /// Returns the receiver's half of its key, if it has one.
    pub fn identity(&self) -> Option<ReceiverIdentity> {
        self.0.identified().map(ReceiverIdentity)
    }

    /// Returns the uid, if the receiver has one.
    pub fn dispatch_uid(&self) -> Option<&str> {
        self.0.about().options.uid().map(|uid| &**uid)
    }

    /// Returns the same receiver, for this sender.
    pub fn for_sender(self, sender: Sender<'_>) -> Self {
        let Prepared(mut receiver) = self;
        about_mut(&mut receiver).options.sender = sender.to_key();
        Prepared(receiver)
    }

    /// Makes the receiver a connection of `hub`, with a number of its own.
    pub(super) fn into_entry(self, hub: &Arc<Hub<E, R>>) -> Entry<E, R> {
        let Prepared(mut receiver) = self;
        let about = about_mut(&mut receiver);
        about.link = Link::new(ReceiverId::next());
        about.hub = Arc::downgrade(hub);
        Entry::new(receiver)
    }
}

fn about_mut<E: Event, R: 'static>(receiver: &mut Arc<dyn Receive<E, R>>) -> &mut About<E, R> {
    let receiver = Arc::get_mut(receiver);
    receiver
        .expect("a prepared receiver has one owner")
        .about_mut()
}

/// The receiver's half of the key that makes two connections of a signal the same.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiverIdentity(Identified);

/// The key of the connection that a disconnect names: a receiver and a sender.
pub struct ConnectionKey {
    pub(super) key: Key,
    /// The scope of a test in which the disconnect is made.
    #[cfg(feature = "testing")]
    pub(super) scope: Option<Arc<Scope>>,
    /// The `Weak` of the object whose address is in the key, so that no other object gets it.
    _object: Option<Box<dyn Send + Sync>>,
}

impl ConnectionKey {
    pub(super) fn new(receiver: Identified, options: Options) -> Self {
        ConnectionKey {
            #[cfg(feature = "testing")]
            scope: options.scope().cloned(),
            key: Key {
                receiver,
                #[cfg(feature = "testing")]
                scope: options.scope().map(|scope| scope.number),
                sender: options.sender,
            },
            _object: None,
        }
    }

    /// Returns the key of a method of `object`.
    pub(super) fn of_object<O: ?Sized + Send + Sync + 'static>(
        receiver: Identified,
        options: Options,
        object: &Arc<O>,
    ) -> Self {
        ConnectionKey {
            _object: Some(Box::new(Arc::downgrade(object))),
            ..ConnectionKey::new(receiver, options)
        }
    }

    /// Returns the receiver's half.
    pub fn identity(&self) -> ReceiverIdentity {
        ReceiverIdentity(self.key.receiver.clone())
    }

    /// Returns the same receiver, for this sender.
    pub fn for_sender(mut self, sender: Sender<'_>) -> Self {
        self.key.sender = sender.to_key();
        self
    }
}
