//! Muting receivers: they stay connected, and sends leave them out for a while.
//!
//! Tests, data loads and bulk jobs often must not send mails or refill an index. Begin with the
//! receivers: those of a [`signal`](signal()), those that the sends of one [`sender`] would reach,
//! one [`receiver`], or the receivers with a [`tag`]. Then choose the reach of the mute.
//!
//! | reach | sends that are concerned | end |
//! |---|---|---|
//! | [`everywhere`](Subject::everywhere) | all sends of the process | the drop of the guard |
//! | [`on_this_thread`](Subject::on_this_thread) | the sends that start on the thread that made the guard, whatever caused them | the drop of the guard, on any thread |
//! | [`in_a_scope`](Subject::in_a_scope) | the sends inside [`enter`](MuteScope::enter) and [`follow`](MuteScope::follow), and all that they cause on other threads and tasks | the drop of the guard |
//!
//! ```
//! use fanfare::{Signal, mute};
//!
//! static SAVED: Signal<u32, &'static str> = Signal::new();
//! SAVED.options().tag("search").connect(|_sender, _id| "index");
//! SAVED.connect(|_sender, _id| "count");
//!
//! let muted = mute::tag("search").everywhere();
//! assert_eq!(*SAVED.send(&7), ["count"]);
//! drop(muted);
//! assert_eq!(*SAVED.send(&7), ["index", "count"]);
//!
//! let quiet = mute::signal(&SAVED).in_a_scope();
//! assert!(quiet.enter(|| SAVED.send(&7)).is_empty());
//! assert_eq!(SAVED.send(&7).len(), 2);
//! ```
//!
//! # Rules
//!
//! - A mute holds for each send that starts after the call has returned, and for none that starts
//!   after the drop of its guard has returned. A send that has started goes on as it began. An
//!   async send starts at the first poll of its future. An event of a [`Deferred`](crate::Deferred)
//!   is sent by the commit.
//! - Mutes nest: a receiver is muted while at least one of them holds, and the guards may be
//!   dropped in any order.
//! - A muted receiver stays connected, keeps its place in the order, and uses up no run of
//!   [`once`](crate::ConnectOptions::once). A receiver that is connected while its signal or its
//!   tag is muted is muted, too. If its target dies, it is taken out as usual.
//! - Each way of sending leaves muted receivers out, also the sends of a frozen signal, of an
//!   emitter and of a receiver or an observer. [`has_listeners`](crate::Signal::has_listeners) and
//!   its siblings do not count them, and an async receiver that is muted does not make a blocking
//!   send panic.
//! - An event that waits in a queue was sent before the mute, and is delivered.
//! - A durable receiver of fanfare-outbox is not muted, because it is owed its events. Disconnect
//!   it to hold them back.
//!
//! # Cost
//!
//! A signal that no mute concerns costs nothing more. A mute of a tag, of all receivers, or in a
//! scope concerns every signal: the scope has to follow what their receivers cause. A send that a
//! mute concerns looks at each receiver. The begin and the end of a mute publish one table for each
//! signal that is concerned, and take about a microsecond each.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::connection::handle::Connection;
use crate::event::Event;
use crate::id::ReceiverId;
use crate::receiver::tapped::info_of;
use crate::sender::into_sender::IntoSender;
use crate::signal::Signal;
use crate::tap::context::Context;
use crate::tap::mutes::{MuteRule, Muted, Reach, this_thread};
use crate::tap::scope::Scope;
use crate::tap::signals;

/// Returns the receivers of one signal, also those that are connected later.
///
/// Works on a [frozen](Signal::freeze) signal as well.
///
/// ```
/// use fanfare::{Signal, mute};
///
/// static SAVED: Signal<u32> = Signal::new();
/// SAVED.connect(|_sender, _id| ());
///
/// let _muted = mute::signal(&SAVED).everywhere();
/// assert!(SAVED.send(&7).is_empty());
/// assert!(!SAVED.has_listeners());
/// assert_eq!(SAVED.receiver_count(), 1);
/// ```
pub fn signal<E: Event, R: 'static>(signal: &Signal<E, R>) -> Subject {
    Subject::of(Muted::Signal(info_of(signal.hub()).number()))
}

/// Returns all receivers of a signal in the sends from one sender, also those that are connected
/// for any sender. [`Sender::NONE`](crate::Sender::NONE) stands for the sends without a sender.
///
/// ```
/// use fanfare::{Signal, mute};
///
/// static SAVED: Signal<u32> = Signal::new();
/// SAVED.connect(|_sender, _id| ());
///
/// let _muted = mute::sender(&SAVED, "shop.Order").everywhere();
/// assert_eq!(SAVED.from("shop.Order").send(&7).len(), 0);
/// assert_eq!(SAVED.from("shop.Customer").send(&7).len(), 1);
/// ```
pub fn sender<'a, E: Event, R: 'static>(
    signal: &Signal<E, R>,
    sender: impl IntoSender<'a>,
) -> Subject {
    let number = info_of(signal.hub()).number();
    Subject::of(Muted::Sender(number, sender.into_sender().to_key()))
}

/// Returns one receiver.
///
/// If it is no longer connected, a mute of it has no effect.
///
/// ```
/// use fanfare::{Signal, mute};
///
/// static SAVED: Signal<u32, &'static str> = Signal::new();
/// let index = SAVED.connect(|_sender, _id| "index");
/// SAVED.connect(|_sender, _id| "count");
///
/// let _muted = mute::receiver(&index).everywhere();
/// assert_eq!(*SAVED.send(&7), ["count"]);
/// ```
pub fn receiver(connection: &Connection) -> Subject {
    let signal = connection.signal_number();
    Subject::of(Muted::Receiver(connection.id(), signal))
}

/// Returns the receiver with this id, as responses and [`connections`](Signal::connections) have
/// it.
///
/// If no receiver has this id any more, a mute of it has no effect. A mute of a
/// [`receiver`](receiver()) costs less, because an id does not name its signal.
pub fn receiver_id(receiver: ReceiverId) -> Subject {
    Subject::of(Muted::Receiver(receiver, None))
}

/// Returns the receivers of all signals that have this [tag](crate::ConnectOptions::tag), also
/// those that are connected later.
pub fn tag(tag: impl Into<Cow<'static, str>>) -> Subject {
    Subject::of(Muted::Tag(tag.into()))
}

/// Returns all receivers of all signals, also of those that are used for the first time later.
///
/// ```
/// use fanfare::{Signal, mute};
///
/// static SAVED: Signal<u32> = Signal::new();
/// SAVED.connect(|_sender, _id| ());
///
/// let _muted = mute::all().on_this_thread();
/// assert!(SAVED.send(&7).is_empty());
/// ```
pub fn all() -> Subject {
    Subject::of(Muted::All)
}

/// The receivers that a mute is about.
#[must_use = "nothing is muted until `everywhere`, `on_this_thread` or `in_a_scope`"]
#[derive(Clone)]
pub struct Subject(Vec<Muted>);

impl Subject {
    fn of(muted: Muted) -> Self {
        Subject(vec![muted])
    }

    /// Returns these receivers and those of `other`, for one guard.
    ///
    /// ```
    /// use fanfare::{Signal, mute};
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// static DELETED: Signal<u32> = Signal::new();
    /// SAVED.connect(|_sender, _id| ());
    /// DELETED.connect(|_sender, _id| ());
    ///
    /// let _muted = mute::signal(&SAVED).and(mute::signal(&DELETED)).on_this_thread();
    /// assert!(SAVED.send(&7).is_empty() && DELETED.send(&7).is_empty());
    /// ```
    pub fn and(mut self, other: Subject) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Mutes the receivers in all sends of the process, until the result is dropped.
    #[track_caller]
    pub fn everywhere(self) -> Mute {
        self.begin(Reach::Process)
    }

    /// Mutes the receivers in the sends that start on this thread, until the result is dropped.
    ///
    /// It does not matter what caused a send. So a send of another thread is not muted, even if a
    /// send of this thread has caused it through a queue or a pool: for that, see
    /// [`in_a_scope`](Subject::in_a_scope). A task of an executor may move to another thread, and
    /// other tasks run on this one.
    ///
    /// ```
    /// use fanfare::{Signal, mute};
    /// use std::thread;
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// SAVED.connect(|_sender, _id| ());
    ///
    /// let _muted = mute::signal(&SAVED).on_this_thread();
    /// assert_eq!(SAVED.send(&7).len(), 0);
    /// let elsewhere = thread::spawn(|| SAVED.send(&7).len());
    /// assert_eq!(elsewhere.join().unwrap(), 1);
    /// ```
    #[track_caller]
    pub fn on_this_thread(self) -> Mute {
        self.begin(Reach::Thread(this_thread()))
    }

    /// Mutes the receivers inside a scope that the result [enters](MuteScope::enter) or
    /// [follows](MuteScope::follow), until the result is dropped. Outside of it they run.
    ///
    /// The scope follows what is caused inside it, as [`Context`] does: on
    /// the workers of queues, on pools, in async receivers, and in the commit of a
    /// [`Deferred`](crate::Deferred) that was recorded inside. A thread or a task that a function
    /// inside starts itself is outside, unless it takes the context along.
    ///
    /// ```
    /// use fanfare::{Signal, mute};
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// static INDEXED: Signal<u32, &'static str> = Signal::new();
    /// INDEXED.connect(|_sender, _id| "log");
    /// SAVED.connect(|_sender, id| assert!(INDEXED.send(id).is_empty()));
    ///
    /// let quiet = mute::signal(&INDEXED).in_a_scope();
    /// quiet.enter(|| assert_eq!(SAVED.send(&7).len(), 1));
    /// assert_eq!(*INDEXED.send(&7), ["log"]);
    /// ```
    #[track_caller]
    pub fn in_a_scope(self) -> MuteScope {
        let scope = Scope::inside(Context::current().scope, None);
        MuteScope {
            mute: self.begin(Reach::Scope(scope.number)),
            scope,
        }
    }

    #[track_caller]
    pub(crate) fn begin(self, reach: Reach) -> Mute {
        let location = Location::caller();
        let rules = self.0.into_iter().map(|muted| {
            Arc::new(MuteRule {
                muted,
                reach,
                location,
            })
        });
        let rules: Box<[_]> = rules.collect();
        signals::mute(&rules);
        Mute(rules)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let muted = self.0.iter().map(|muted| format!("{muted}"));
        f.debug_tuple("Subject")
            .field(&muted.collect::<Vec<_>>())
            .finish()
    }
}

/// The guard of a mute. Its drop ends this mute alone, and may be on any thread.
///
/// It may outlive its signal. It has no effect then.
#[must_use = "the drop of the guard ends the mute: give it a name, such as `_muted`"]
pub struct Mute(Box<[Arc<MuteRule>]>);

impl Drop for Mute {
    fn drop(&mut self) {
        signals::unmute(&self.0);
    }
}

impl fmt::Debug for Mute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.0.iter().map(|rule| format!("{rule}"));
        f.debug_tuple("Mute")
            .field(&rules.collect::<Vec<_>>())
            .finish()
    }
}

/// The guard of a mute in a scope. Its drop ends the mute, also for what still runs inside.
///
/// Several threads and tasks may be inside at the same time. Scopes nest: inside two of them, the
/// receivers of both are muted.
#[must_use = "the receivers are muted only inside `enter` and `follow`"]
pub struct MuteScope {
    mute: Mute,
    scope: Arc<Scope>,
}

impl MuteScope {
    /// Calls `run` inside the scope, and returns its result.
    ///
    /// A future that `run` returns is outside: see [`follow`](MuteScope::follow).
    pub fn enter<T>(&self, run: impl FnOnce() -> T) -> T {
        self.within(Context::current()).enter(run)
    }

    /// Runs `future` to its end, inside the scope whenever it is polled, and returns its output.
    ///
    /// ```
    /// use fanfare::{Signal, mute};
    ///
    /// static PAID: Signal<u32> = Signal::new();
    /// PAID.connect(|_sender, _cents| ());
    ///
    /// # pollster::block_on(async {
    /// let quiet = mute::signal(&PAID).in_a_scope();
    /// let sent = quiet.follow(async { PAID.asend(&900).await.len() }).await;
    /// assert_eq!(sent, 0);
    /// assert_eq!(PAID.asend(&900).await.len(), 1);
    /// # });
    /// ```
    #[cfg(feature = "async")]
    pub async fn follow<F: Future>(&self, future: F) -> F::Output {
        self.within(Context::current()).follow(future).await
    }

    /// Returns `outer`, inside this scope. A scope is in another one once, however often it is
    /// entered.
    fn within(&self, outer: Context) -> Context {
        if outer.is_in_scope(self.scope.number) {
            return outer;
        }
        Context {
            cause: outer.cause,
            scope: Some(self.scope.moved(outer.scope)),
        }
    }
}

impl fmt::Debug for MuteScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MuteScope")
            .field("mute", &self.mute)
            .finish_non_exhaustive()
    }
}
