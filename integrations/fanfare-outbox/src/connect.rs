//! Connecting durable receivers.

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use fanfare::__private::DurableHook;
use fanfare::{BoxFuture, Sender, Signal};

use crate::error::{ConnectError, Unfit};
use crate::event::{Delivered, DurableEvent};
use crate::registry::{self, Options, Receiver, Start};
use crate::sender_text;
use crate::settings::LONGEST;

/// The most keys that run side by side.
const MOST_KEYS: usize = 1_024;

/// Signals whose events can be stored.
pub trait Durable<E: DurableEvent> {
    /// Returns the options of a durable receiver, which the database knows by `name`.
    ///
    /// The name is unique in the process, unless [`using`](DurableOptions::using) separates the
    /// receivers. It stays when the function is renamed, because the
    /// database keeps the progress of the receiver by its name. Receivers of the same name in
    /// several processes are one receiver: one of the processes gets each event.
    fn durable(&'static self, name: impl Into<String>) -> DurableOptions<E>;
}

impl<E: DurableEvent, R: 'static> Durable<E> for Signal<E, R> {
    fn durable(&'static self, name: impl Into<String>) -> DurableOptions<E> {
        DurableOptions {
            name: name.into(),
            is_signal_of_event: registry::is_signal_of(self),
            hook: Box::new(|name, at| DurableHook::new(self, name, at)),
            options: Options {
                using: None,
                was: None,
                start: Start::Now,
                attempts: 10,
                first_delay: Duration::from_secs(1),
                max_delay: Duration::from_secs(15 * 60),
                timeout: Duration::from_secs(60),
                keys_at_once: 16,
                sequenced: true,
            },
            event: PhantomData,
        }
    }
}

/// The options of a durable receiver. Made by [`Durable::durable`].
#[must_use = "the receiver is connected by `connect_async`"]
pub struct DurableOptions<E> {
    name: String,
    is_signal_of_event: bool,
    options: Options,
    /// Makes the receiver as observers see it.
    hook: Box<dyn FnOnce(String, Place) -> DurableHook + Send + Sync>,
    event: PhantomData<fn() -> E>,
}

/// A place in the source.
type Place = &'static Location<'static>;

impl<E: DurableEvent> DurableOptions<E> {
    /// Connects the receiver to the relays on connections of this name alone
    /// ([`named`](fanfare_sea_orm::SignalConnection::named)). By default all relays of the process
    /// deliver to it.
    ///
    /// So a program with several databases can have a receiver of the same name for each of them.
    pub fn using(mut self, using: impl Into<String>) -> Self {
        self.options.using = Some(using.into());
        self
    }

    /// Sets the old name of the receiver. If the database knows the receiver by it,
    /// [`Outbox::start`] renames the receiver there, with its progress and its deliveries.
    ///
    /// End all programs that connect the old name first: one that starts later would make a second
    /// receiver of it.
    ///
    /// [`Outbox::start`]: crate::Outbox::start
    pub fn was(mut self, old_name: impl Into<String>) -> Self {
        self.options.was = Some(old_name.into());
        self
    }

    /// Sets the place at which the receiver starts if the database does not know it yet. It is
    /// [`Start::Now`] by default.
    pub fn start(mut self, start: Start) -> Self {
        self.options.start = start;
        self
    }

    /// Sets the number of attempts, after which a delivery is a dead letter. It is 10 by default.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.options.attempts = attempts.max(1);
        self
    }

    /// Sets the time between the first attempt and the second, which doubles from attempt to
    /// attempt up to `max`. A random time of up to the same length is added. It is 1 second and 15
    /// minutes by default.
    pub fn back_off(mut self, first: Duration, max: Duration) -> Self {
        self.options.first_delay = first.min(LONGEST);
        self.options.max_delay = max.max(first).min(LONGEST);
        self
    }

    /// Sets the time after which an attempt is given up as failed, and its future dropped. It is
    /// 60 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout.min(LONGEST);
        self
    }

    /// Sets the number of keys whose events are delivered side by side, at most 1,024. It is 16 by
    /// default. With 1 the receiver runs once at a time.
    pub fn keys_at_once(mut self, keys: usize) -> Self {
        self.options.keys_at_once = keys.clamp(1, MOST_KEYS);
        self
    }

    /// Lets later events of a key go on after a dead letter. By default they wait until it is
    /// resubmitted or discarded.
    pub fn unsequenced(mut self) -> Self {
        self.options.sequenced = false;
        self
    }

    /// Connects an async receiver. The relays of this process deliver events to it.
    ///
    /// An `Err` and a panic are failures. A receiver may get an event again (see the
    /// [crate's documentation](crate)), with the same [`id`](Delivered::id).
    ///
    /// A receiver must not block its thread, because neither [`timeout`](DurableOptions::timeout)
    /// nor [`shutdown`](crate::Outbox::shutdown) ends such a call, and the other receivers of that
    /// thread wait. Use `tokio::task::spawn_blocking` for blocking work.
    ///
    /// The receiver stays connected until [`DurableReceiver::disconnect`].
    ///
    /// # Errors
    ///
    /// Returns an error if the process has a durable receiver with this name for the same relays,
    /// if another signal has the same event type, or if the name has a NUL or more than 1,000
    /// bytes.
    #[track_caller]
    pub fn connect_async<X: fmt::Display>(
        self,
        receiver: impl for<'a> Fn(Sender<'a>, &'a Delivered<E>) -> BoxFuture<'a, Result<(), X>>
        + Send
        + Sync
        + 'static,
    ) -> Result<DurableReceiver, ConnectError> {
        self.connect(None, receiver).map(|(receiver, _)| receiver)
    }

    /// Connects an async receiver, and returns `true` with it if it is new. A function that is
    /// declared as a receiver stays if it is already connected.
    #[track_caller]
    pub(crate) fn connect<X: fmt::Display>(
        self,
        function: Option<TypeId>,
        receiver: impl for<'a> Fn(Sender<'a>, &'a Delivered<E>) -> BoxFuture<'a, Result<(), X>>
        + Send
        + Sync
        + 'static,
    ) -> Result<(DurableReceiver, bool), ConnectError> {
        if !self.is_signal_of_event {
            return Err(ConnectError::AnotherSignal { event: E::NAME });
        }
        Unfit::check("name of the receiver", &self.name)?;
        let receiver = Arc::new(receiver);
        let call = move |sender: String, event: Delivered<E>| -> BoxFuture<'static, _> {
            let receiver = Arc::clone(&receiver);
            Box::pin(async move {
                let called = receiver(sender_text::read(&sender), &event);
                called.await.map_err(|error| error.to_string())
            })
        };
        let hook = (self.hook)(self.name.clone(), Location::caller());
        let receiver = Receiver::new(self.name, self.options, function, hook, call);
        let (receiver, is_new) = registry::add(receiver)?;
        Ok((DurableReceiver { receiver }, is_new))
    }
}

impl<E> fmt::Debug for DurableOptions<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableOptions")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A durable receiver that is connected. Dropping it leaves the receiver connected.
#[derive(Clone)]
pub struct DurableReceiver {
    receiver: Arc<Receiver>,
}

impl DurableReceiver {
    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.receiver.name
    }

    pub(crate) fn is_connected(&self) -> bool {
        registry::has(&self.receiver)
    }

    /// Disconnects the receiver from this process, and returns `true` if it was connected. A call
    /// that has started runs to its end.
    ///
    /// The database still knows the receiver, and keeps its events for the next process that
    /// connects it. [`Outbox::remove`](crate::Outbox::remove) ends that.
    pub fn disconnect(&self) -> bool {
        registry::remove(&self.receiver)
    }
}

impl fmt::Debug for DurableReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableReceiver")
            .field("name", &self.receiver.name)
            .field("event", &self.receiver.event)
            .finish_non_exhaustive()
    }
}
