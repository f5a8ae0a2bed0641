//! The context in which a thread or a task runs.

use std::cell::{Cell, RefCell};
#[cfg(feature = "async")]
use std::pin::{Pin, pin};
use std::sync::Arc;

use super::cause::Cause;
use super::scope::Scope;
#[cfg(feature = "testing")]
use super::shuffle::ShuffledSend;

/// The context of a thread or a task: the receiver that caused what runs in it.
///
/// It follows an event that is sent while an observer is attached, or while a mute in a
/// [scope](crate::mute) holds, wherever fanfare hands it on: to the worker of a queue, into a
/// [`Deferred`](crate::Deferred) and to its commit, to the futures of async receivers, to a pool. A
/// thread or a task that a receiver starts itself has no context. To keep the chain there, take the
/// context along:
///
/// ```
/// use fanfare::watch::Context;
/// use std::thread;
///
/// let context = Context::current();
/// let thread = thread::spawn(move || context.enter(|| { /* its sends have this cause */ }));
/// thread.join().unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Context {
    pub(crate) cause: Option<Cause>,
    /// The innermost scope. It is `None` outside of scopes.
    pub(crate) scope: Option<Arc<Scope>>,
}

thread_local! {
    /// The cause in the context of the thread. It has no destructor, so that a change of it, which
    /// each observed receiver makes, is a few loads and stores.
    static CAUSE: Cell<Option<Cause>> = const { Cell::new(None) };
    /// `true` while `SCOPE` has a scope.
    static IS_IN_SCOPE: Cell<bool> = const { Cell::new(false) };
    static SCOPE: RefCell<Option<Arc<Scope>>> = const { RefCell::new(None) };
}

/// Puts a scope in the place of the one that the thread is in, and returns that.
#[cold]
fn replace_scope(scope: Option<Arc<Scope>>) -> Option<Arc<Scope>> {
    IS_IN_SCOPE.set(scope.is_some());
    // A thread that ends is in no scope any more.
    SCOPE
        .try_with(|current| current.replace(scope))
        .ok()
        .flatten()
}

impl Context {
    /// Returns the context of this thread at this moment. Costs a few loads, and a change of a
    /// count inside a scope.
    pub fn current() -> Self {
        let scope = match IS_IN_SCOPE.get() {
            // A thread that ends is in no scope any more.
            true => SCOPE
                .try_with(|scope| scope.borrow().clone())
                .ok()
                .flatten(),
            false => None,
        };
        Context {
            cause: CAUSE.get(),
            scope,
        }
    }

    /// Returns the innermost scope that has a record.
    #[cfg(feature = "testing")]
    pub(crate) fn recorded(&self) -> Option<Arc<Scope>> {
        let mut scopes = self.scope.iter().flat_map(Scope::outwards);
        scopes.find(|scope| scope.record.is_some()).cloned()
    }

    /// Returns the number of the innermost scope that has a record.
    pub(super) fn recorded_number(&self) -> Option<u64> {
        let mut scopes = self.scope.iter().flat_map(Scope::outwards);
        let recorded = scopes.find(|scope| scope.record.is_some())?;
        Some(recorded.number)
    }

    /// Returns the order of the next send in this context, if a scope shuffles receivers.
    #[cfg(feature = "testing")]
    pub(crate) fn next_shuffled(&self) -> Option<ShuffledSend> {
        let mut scopes = self.scope.iter().flat_map(Scope::outwards);
        let shuffle = scopes.find_map(|scope| scope.shuffle.get())?;
        Some(shuffle.next())
    }

    /// Returns `true` if it is the context of the scope with this number, or of one inside it.
    pub(crate) fn is_in_scope(&self, number: u64) -> bool {
        let mut scopes = self.scope.iter().flat_map(Scope::outwards);
        scopes.any(|scope| scope.number == number)
    }

    /// Returns the receiver that caused what runs in this context, or `None` outside of receivers
    /// that are observed.
    pub fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// Calls `run` in this context, and returns its result. The thread returns to its own context
    /// afterwards, also if `run` panics.
    pub fn enter<T>(self, run: impl FnOnce() -> T) -> T {
        let _inside = self.entered();
        run()
    }

    /// Runs `future` to its end, in this context whenever it is polled, and returns its output.
    ///
    /// ```
    /// use fanfare::watch::Context;
    ///
    /// # pollster::block_on(async {
    /// let context = Context::current();
    /// let cause = context.clone().follow(async { Context::current().cause() }).await;
    /// assert_eq!(cause, context.cause());
    /// # });
    /// ```
    #[cfg(feature = "async")]
    pub async fn follow<F: Future>(self, future: F) -> F::Output {
        let mut future: Pin<&mut F> = pin!(future);
        std::future::poll_fn(|cx| {
            let _inside = self.clone().entered();
            future.as_mut().poll(cx)
        })
        .await
    }

    /// Returns the context of this thread, if it has a cause or a scope.
    #[inline]
    pub(crate) fn of_thread() -> Option<Self> {
        let is_set = IS_IN_SCOPE.get() || CAUSE.get().is_some();
        is_set.then(Context::current)
    }

    /// Makes this the context of the thread until the result is dropped.
    #[inline]
    pub(crate) fn entered(self) -> Entered {
        let changes_scope = self.scope.is_some() || IS_IN_SCOPE.get();
        Entered {
            cause: CAUSE.replace(self.cause),
            scope: changes_scope.then(|| replace_scope(self.scope)),
        }
    }
}

impl Cause {
    /// Makes this the cause of what the thread does, until the result is dropped. The scope of the
    /// thread goes on.
    #[inline]
    pub(crate) fn entered(self) -> EnteredCause {
        EnteredCause(CAUSE.replace(Some(self)))
    }
}

/// A guard that returns the thread to its former cause.
pub(crate) struct EnteredCause(Option<Cause>);

impl Drop for EnteredCause {
    #[inline]
    fn drop(&mut self) {
        CAUSE.set(self.0);
    }
}

/// Returns `true` if the thread is in a scope.
#[inline]
pub(crate) fn is_in_scope() -> bool {
    IS_IN_SCOPE.get()
}

/// A guard that returns the thread to its former context.
pub(crate) struct Entered {
    cause: Option<Cause>,
    /// The former scope, if it may be another one.
    scope: Option<Option<Arc<Scope>>>,
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        CAUSE.set(self.cause);
        if let Some(scope) = self.scope.take() {
            drop(replace_scope(scope));
        }
    }
}
