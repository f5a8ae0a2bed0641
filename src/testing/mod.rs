//! Tests of code that sends: scopes that see exactly the sends that they cause.
//!
//! A [`scope`] sees each send that its closure causes, on any thread and in any task, through
//! queues, commits and pools, and no send of another test that runs at the same time. So tests
//! need no lock and no thread of their own.
//!
//! ```
//! use fanfare::Signal;
//! use fanfare::testing;
//! use std::time::Duration;
//!
//! static PAID: Signal<u32> = Signal::new();
//! static MAILED: Signal<u32> = Signal::new();
//! PAID.connect(|_sender, order| { MAILED.from("shop").send(order); });
//! MAILED.connect(|_sender, _order| ());
//!
//! testing::scope(|scope| {
//!     PAID.send(&7);
//!     scope.settle(Duration::from_secs(5)).unwrap();
//!     scope.assert_sent(&PAID).once().before(&MAILED);
//!     scope.assert_sent(&MAILED).times(1).from("shop");
//! });
//! ```
//!
//! # Limitations
//!
//! - A signal is seen from its first connect on. To see the sends of a signal to which no receiver
//!   was ever connected, name it with [`Scope::watch`] before.
//! - A thread or a task that the tested code starts itself is outside, unless it
//!   [takes the context along](crate::watch::Context).
//! - [`Scope::settle`] does not wait for the events of a `stream` that are
//!   still to be taken, nor for an event of fanfare-outbox before its delivery starts: settle the
//!   outbox.

mod assert;
mod keep_events;
mod not_run;
mod sent;
mod settle;
mod test_scope;
mod wiring;

pub use sent::{SeenSend, Sent};
pub use settle::Unsettled;
pub use test_scope::Scope;
pub use wiring::assert_wiring;

/// Calls `test` in a new scope, and returns its result.
///
/// A scope inside another one is a part of it: the outer scope sees its sends as well.
pub fn scope<T>(test: impl FnOnce(&Scope) -> T) -> T {
    let scope = Scope::new();
    scope.context().enter(|| test(&scope))
}

/// Runs the future of `test` in a new scope, and returns its output.
///
/// ```
/// use fanfare::{Signal, testing};
/// use std::time::Duration;
///
/// static PAID: Signal<u32> = Signal::new();
/// PAID.connect_async(|_sender, _order| Box::pin(async {}));
///
/// # pollster::block_on(async {
/// testing::scope_async(async |scope| {
///     PAID.asend(&7).await;
///     scope.settle_async(Duration::from_secs(5)).await.unwrap();
///     scope.assert_sent(&PAID).once();
/// })
/// .await;
/// # });
/// ```
#[cfg(feature = "async")]
pub async fn scope_async<T>(test: impl AsyncFnOnce(&Scope) -> T) -> T {
    let scope = Scope::new();
    scope.context().follow(test(&scope)).await
}
