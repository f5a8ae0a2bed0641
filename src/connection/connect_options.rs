//! The options of a connection.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::prepared::Prepared;
use super::target::ConnectTarget;
use crate::event::Event;
use crate::kind::ReceiverKind;
use crate::receiver::callee::{Callee, Strong, Weakly};
use crate::receiver::limit::Limit;
use crate::receiver::options::Options;
use crate::sender::Sender;
use crate::sender::into_sender::IntoSender;

/// The options of one connection, made by [`Signal::options`](crate::Signal::options).
///
/// The methods that connect and disconnect use them up. `T` is the place to connect to: see
/// [`ConnectTarget`].
///
/// ```
/// use fanfare::{Sender, Signal};
///
/// static ORDERED: Signal<u32, &'static str> = Signal::new();
/// struct Shop;
///
/// ORDERED.connect(|_sender, _cents| "bill");
/// ORDERED
///     .options()
///     .sender(Sender::of::<Shop>())
///     .dispatch_uid("stock")
///     .priority(10)
///     .connect(|_sender, _cents| "reserve stock");
///
/// assert_eq!(*ORDERED.from(Sender::of::<Shop>()).send(&900), ["reserve stock", "bill"]);
/// assert_eq!(*ORDERED.from("web").send(&900), ["bill"]);
/// ```
#[must_use = "options do nothing until `connect` or `disconnect`, or one of their siblings"]
pub struct ConnectOptions<E: Event, R: 'static, T> {
    pub(super) target: T,
    pub(super) options: Options,
    types: PhantomData<fn() -> (E, R)>,
}

impl<E: Event, R: 'static, T: ConnectTarget<E, R>> ConnectOptions<E, R, T> {
    pub(crate) fn new(target: T) -> Self {
        #[allow(unused_mut, reason = "with the feature `testing` only")]
        let mut options = Options::new();
        #[cfg(feature = "testing")]
        options.enter_scope();
        ConnectOptions {
            target,
            options,
            types: PhantomData,
        }
    }

    /// Returns the same options for a receiver of the whole process, also in a scope of a test.
    #[cfg_attr(
        not(feature = "testing"),
        expect(unused_mut, reason = "there are no scopes of tests")
    )]
    pub(crate) fn outside_of_scopes(mut self) -> Self {
        #[cfg(feature = "testing")]
        if self.options.scope().is_some() {
            self.options.rare_mut().scope = None;
        }
        self
    }

    /// Sets the sender whose sends reach the receiver. Sends from other senders do not reach it.
    /// The default is [`Sender::NONE`], which means any sender.
    pub fn sender<'a>(mut self, sender: impl IntoSender<'a>) -> Self {
        self.options.sender = sender.into_sender().to_key();
        self
    }

    /// Sets the uid, which identifies the connection in place of the receiver. A second connect
    /// with the same uid and the same sender has no effect, whatever its receiver is.
    ///
    /// # Panics
    ///
    /// Panics if `uid` is empty. Django ignores an empty uid, which hides mistakes.
    #[track_caller]
    pub fn dispatch_uid(mut self, uid: impl Into<Cow<'static, str>>) -> Self {
        let uid = uid.into();
        assert!(
            !uid.is_empty(),
            "the dispatch_uid \"\" is empty: give it a text, or leave the option out"
        );
        self.options.rare_mut().uid = Some(uid);
        self
    }

    /// Sets the priority of the receiver. Receivers of higher priority run earlier. Receivers of
    /// the same priority run in the order in which they were connected. The default is 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// Limits the receiver to one run, in the send that reaches it first. It is then disconnected.
    /// A run that panics counts.
    pub fn once(self) -> Self {
        self.max_calls(1)
    }

    /// Limits the receiver to `calls` runs, in the sends that reach it first. It is then
    /// disconnected. A run that panics counts. Replaces [`once`](ConnectOptions::once), which
    /// allows one run.
    ///
    /// Each event of a batch is one run. For a receiver that takes slices, the whole batch is one
    /// run. For a queued receiver, an event that is handed to its queue is one run, whatever
    /// becomes of it.
    ///
    /// # Panics
    ///
    /// Panics if `calls` is 0.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static ALARM: Signal<u32, u32> = Signal::new();
    /// let connection = ALARM.options().max_calls(2).connect(|_sender, code| *code);
    ///
    /// let calls: Vec<usize> = (0..3).map(|code| ALARM.send(&code).len()).collect();
    /// assert_eq!(calls, [1, 1, 0]);
    /// assert!(!connection.is_connected());
    /// ```
    #[track_caller]
    pub fn max_calls(mut self, calls: u32) -> Self {
        let calls = NonZeroU32::new(calls)
            .expect("`max_calls(0)` allows no run: give 1 or more, or leave the receiver out");
        self.options.rare_mut().limit = Some(Limit::calls(calls));
        self
    }

    /// Allows the receiver to block its thread in an async send.
    ///
    /// On a worker of tokio's multi-threaded runtime, the other tasks of that worker are handed on
    /// first (`block_in_place`), and the event stays borrowed. On a current-thread runtime, in a
    /// `LocalSet`, on another executor and in a blocking send, the receiver is called like any
    /// other receiver. If that is not acceptable, see `connect_offloaded`, which the feature
    /// `tokio` adds. In a `LocalSet` each such call runs the panic hook, and with `panic = "abort"`
    /// it ends the process. This option has no effect on an async receiver.
    ///
    /// # Panics
    ///
    /// Panics without the feature `tokio`.
    #[track_caller]
    pub fn blocking(mut self) -> Self {
        if !cfg!(feature = "tokio") {
            panic!(
                "`.blocking()` runs a receiver through tokio: enable fanfare's feature `tokio`, or \
                 leave the option out"
            );
        }
        self.options.kind = ReceiverKind::Blocking;
        self
    }

    /// Sets the name of the receiver in failures and in
    /// [`Signal::connections`](crate::Signal::connections). The default is the name of its type.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.options.rare_mut().name = Some(name.into());
        self
    }

    /// Adds a tag, by which receivers of several signals are [muted](crate::mute) together. A
    /// receiver may have several tags. A tag that it has already has no effect.
    ///
    /// # Panics
    ///
    /// Panics if `tag` is empty.
    ///
    /// ```
    /// use fanfare::{Signal, mute};
    ///
    /// static PAID: Signal<u32, &'static str> = Signal::new();
    /// PAID.options().tag("mail").connect(|_sender, _cents| "mail the receipt");
    /// PAID.connect(|_sender, _cents| "book");
    ///
    /// let muted = mute::tag("mail").everywhere();
    /// assert_eq!(*PAID.send(&900), ["book"]);
    /// drop(muted);
    /// assert_eq!(*PAID.send(&900), ["mail the receipt", "book"]);
    /// ```
    #[track_caller]
    pub fn tag(mut self, tag: impl Into<Cow<'static, str>>) -> Self {
        let tag = tag.into();
        assert!(
            !tag.is_empty(),
            "the tag \"\" is empty: give it a text, or leave the option out"
        );
        let tags = &mut self.options.rare_mut().tags;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        self
    }

    /// Sets the time that a run of the receiver may take. At the end of each run that took longer,
    /// [`Observer::over_budget`](crate::watch::Observer::over_budget) is called. The run is never
    /// interrupted.
    ///
    /// The time is measured only while an observer is attached to the signal. That of an async
    /// receiver contains its pauses, and that of a queued receiver does not contain the time in the
    /// queue. That of a receiver that takes slices is the time of the whole batch.
    ///
    /// ```
    /// use fanfare::Signal;
    /// use fanfare::watch::{self, ObservedReceiver, ObservedSend, Observer};
    /// use std::sync::Mutex;
    /// use std::thread::sleep;
    /// use std::time::Duration;
    ///
    /// static ORDERED: Signal<u32> = Signal::new();
    /// static SLOW: Mutex<Vec<String>> = Mutex::new(Vec::new());
    ///
    /// struct Slow;
    ///
    /// impl Observer for Slow {
    ///     fn over_budget(&self, _: &ObservedSend<'_>, it: &ObservedReceiver<'_>, _: Duration) {
    ///         SLOW.lock().unwrap().push(it.name().into());
    ///     }
    /// }
    ///
    /// let options = ORDERED.options().name("bill").budget(Duration::from_millis(2));
    /// options.connect(|_sender, cents| sleep(Duration::from_millis((*cents).into())));
    /// let _watch = watch::all(Slow);
    /// ORDERED.send(&0);
    /// ORDERED.send(&9);
    /// assert_eq!(*SLOW.lock().unwrap(), ["bill"]);
    /// ```
    pub fn budget(mut self, budget: Duration) -> Self {
        self.options.rare_mut().budget = Some(budget);
        self
    }

    /// Connects `receiver`. See [`Signal::connect`](crate::Signal::connect).
    #[track_caller]
    pub fn connect<F>(self, receiver: F) -> T::Connected
    where
        F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        self.connect_callee(Strong(receiver))
    }

    /// Connects a method of an object that the signal does not keep alive. See
    /// [`Signal::connect_weak`](crate::Signal::connect_weak).
    #[track_caller]
    pub fn connect_weak<O, M>(self, object: &Arc<O>, method: M) -> T::Connected
    where
        O: ?Sized + Send + Sync + 'static,
        M: Fn(&O, Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        self.connect_callee(Weakly {
            target: Arc::downgrade(object),
            method,
        })
    }

    /// Connects the receiver of `callee`, at the caller's place.
    #[track_caller]
    pub(crate) fn connect_callee<C: Callee<E, R>>(self, callee: C) -> T::Connected {
        let prepared = Prepared::new(Location::caller(), self.options, callee);
        self.target.connect(prepared)
    }
}

impl<E: Event, R: 'static, T> ConnectOptions<E, R, T> {
    /// Returns the same options for another place.
    pub(crate) fn with_target<U>(self, other: impl FnOnce(T) -> U) -> ConnectOptions<E, R, U> {
        ConnectOptions {
            target: other(self.target),
            options: self.options,
            types: PhantomData,
        }
    }
}
