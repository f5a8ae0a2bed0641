//! A scope of a test.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::event::Event;
use crate::lock::lock;
use crate::mute::{Mute, Subject};
use crate::signal::Signal;
use crate::tap::cause::SendId;
use crate::tap::cause_tree::tree_of;
use crate::tap::context::Context;
use crate::tap::mutes::Reach;
use crate::tap::scope;
use crate::tap::shuffle::Shuffle;
use crate::tap::signals;
use crate::tap::steps::{Record, Step};
use crate::watch::{self, Blind, Watch};

/// A scope of a test. [`scope`](super::scope) and [`scope_async`](super::scope_async) make it.
pub struct Scope {
    pub(super) inner: Arc<scope::Scope>,
    pub(super) kept: Mutex<Vec<Kept>>,
    faked: Mutex<Vec<Mute>>,
    _kit: Kit,
}

/// The values that a scope keeps of the events of one signal.
pub(super) struct Kept {
    pub(super) signal: u64,
    pub(super) values: Values,
    pub(super) _watch: Watch,
}

/// Each value, with its send, in the order of the sends.
pub(super) type Values = Arc<Mutex<Vec<(SendId, Value)>>>;
pub(super) type Value = Arc<dyn Any + Send + Sync>;

impl Scope {
    pub(super) fn new() -> Self {
        // The observer comes first: each send in the scope is seen.
        let kit = Kit::new();
        let parent = Context::current().scope;
        let inner = scope::Scope::inside(parent, Some(Record::default()));
        inner.register();
        Scope {
            inner,
            kept: Mutex::default(),
            faked: Mutex::default(),
            _kit: kit,
        }
    }

    pub(super) fn record(&self) -> &Record {
        let record = self.inner.record.as_ref();
        record.expect("a scope of a test has a record")
    }

    /// Returns the context of the scope, for a thread or a task that the test starts.
    ///
    /// ```
    /// use fanfare::{Signal, testing};
    /// use std::thread;
    ///
    /// static PAID: Signal<u32> = Signal::new();
    /// PAID.connect(|_sender, _order| ());
    ///
    /// testing::scope(|scope| {
    ///     let context = scope.context();
    ///     thread::spawn(move || context.enter(|| { PAID.send(&7); })).join().unwrap();
    ///     scope.assert_sent(&PAID).once();
    /// });
    /// ```
    pub fn context(&self) -> Context {
        Context {
            cause: None,
            scope: Some(Arc::clone(&self.inner)),
        }
    }

    /// Leaves receivers out of the sends that the scope causes, until its end. The sends are seen.
    ///
    /// ```
    /// use fanfare::{Signal, mute, testing};
    ///
    /// static PAID: Signal<u32> = Signal::new();
    /// static MAILED: Signal<u32> = Signal::new();
    /// PAID.connect(|_sender, order| { MAILED.send(order); });
    /// MAILED.connect(|_sender, _order| unreachable!("a mail"));
    ///
    /// testing::scope(|scope| {
    ///     scope.fake(mute::signal(&MAILED));
    ///     PAID.send(&7);
    ///     scope.assert_sent(&MAILED).once();
    /// });
    /// ```
    ///
    /// One receiver is `mute::receiver(&connection)`, those with a tag are `mute::tag("mail")`, and
    /// `mute::all()` is every receiver.
    #[track_caller]
    pub fn fake(&self, receivers: Subject) {
        let mute = receivers.begin(Reach::Scope(self.inner.number));
        lock(&self.faked).push(mute);
    }

    /// Calls receivers of equal priority in an order that `seed` decides, in the sends that the
    /// scope causes from now on.
    ///
    /// Users often rely on the order of their connects without knowing it. A test that holds for
    /// each of a few seeds does not. Each send has an order of its own. The futures of async
    /// receivers start in that order, and some are put off by a few polls, so that they end in
    /// another one. Receivers of different priorities keep their order. A failure names the seed.
    ///
    /// ```
    /// use fanfare::{Signal, testing};
    /// use std::sync::Mutex;
    ///
    /// static PAID: Signal<u32> = Signal::new();
    /// static CALLS: Mutex<String> = Mutex::new(String::new());
    /// PAID.connect(|_sender, _order| CALLS.lock().unwrap().push('a'));
    /// PAID.connect(|_sender, _order| CALLS.lock().unwrap().push('b'));
    ///
    /// let calls = |seed| {
    ///     testing::scope(|scope| {
    ///         scope.shuffle(seed);
    ///         PAID.send(&7);
    ///     });
    ///     std::mem::take(&mut *CALLS.lock().unwrap())
    /// };
    /// assert!((0..20).any(|seed| calls(seed) == "ba"));
    /// assert_eq!(calls(3), calls(3));
    /// ```
    ///
    /// Responses come in the order of the calls. The workers of a queue and a pool have orders of
    /// their own, which no seed decides. If threads send at the same time, a seed gives one of its
    /// orders to each send, but not always the same one.
    ///
    /// # Panics
    ///
    /// Panics if the scope has been shuffled before.
    #[track_caller]
    pub fn shuffle(&self, seed: u64) {
        let is_first = self.inner.shuffle.set(Shuffle::new(seed)).is_ok();
        assert!(
            is_first,
            "the scope is shuffled already: use a scope for each seed"
        );
    }

    /// Prepares the scope to see the sends of `signal`, also if no receiver was ever connected to
    /// it.
    ///
    /// ```
    /// use fanfare::{Signal, testing};
    ///
    /// static PAID: Signal<u32> = Signal::new();
    ///
    /// testing::scope(|scope| {
    ///     scope.watch(&PAID);
    ///     PAID.send(&7);
    ///     scope.assert_sent(&PAID).once();
    /// });
    /// ```
    pub fn watch<E: Event, R: 'static>(&self, signal: &Signal<E, R>) {
        signal.hub();
    }

    /// Returns all that the scope has caused, as a tree. A send is below the receiver that caused
    /// it.
    pub fn tree(&self) -> String {
        tree_of(&self.steps())
    }

    /// Returns the seed for the message of a failure, if the scope shuffles receivers.
    pub(super) fn seed_in_words(&self) -> String {
        let shuffle = self.inner.shuffle.get();
        shuffle.map_or(String::new(), |it| {
            format!(", shuffled by seed {}", it.seed)
        })
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        self.record().steps()
    }
}

/// Ends the record, and disconnects the receivers of the scope. Work that goes on in the scope is
/// not recorded any more.
impl Drop for Scope {
    fn drop(&mut self) {
        self.record().close();
        self.inner.unregister();
        if self.inner.has_receivers() {
            for signal in signals::end_scope(self.inner.number) {
                // Only a send over a tap leaves the receivers out that the frozen signal keeps.
                watch::carry_scopes(signal).forget();
            }
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("steps", &self.steps().len())
            .finish_non_exhaustive()
    }
}

/// The observer of all signals, as long as there is a scope. It sees no step itself: each send
/// writes into the records of its scopes.
struct Kit;

/// The number of scopes, and the handle of the observer.
static SCOPES: Mutex<(usize, Option<Watch>)> = Mutex::new((0, None));

impl Kit {
    fn new() -> Self {
        let mut scopes = lock(&SCOPES);
        scopes.0 += 1;
        let is_attached = scopes.1.is_some();
        drop(scopes);
        if !is_attached {
            // To attach the observer can run destructors of receivers, so no lock is held.
            let watch = watch::all(Blind);
            let other = lock(&SCOPES).1.replace(watch);
            drop(other);
        }
        Kit
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        let mut scopes = lock(&SCOPES);
        scopes.0 -= 1;
        let last = if scopes.0 == 0 { scopes.1.take() } else { None };
        // To detach the observer can run destructors of receivers.
        drop(scopes);
        drop(last);
    }
}
