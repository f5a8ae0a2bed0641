//! Sends at once if no receiver has to be awaited, and a future that awaits receivers otherwise.
//!
//! All sends are robust and catch panics, so that a request goes on whatever its receivers do.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::{Context, Poll};

use fanfare::{Event, Sender, Signal};

/// Sends if no receiver has to be awaited. Returns `true` if it sent.
///
/// Returns `false` as well if the send refuses before its first call, because it is nested too deep
/// or an async receiver has connected just now.
pub(crate) fn now<E: Event>(signal: &Signal<E>, sender: Sender<'_>, event: &E::Args<'_>) -> bool {
    if signal.from(sender).wants_asend() {
        return false;
    }
    let send = AssertUnwindSafe(|| drop(signal.from(sender).send_robust(event)));
    catch_unwind(send).is_ok()
}

/// Awaits the receivers of a robust send. Returns `false` if the send refused, because it was
/// nested too deep.
pub(crate) async fn awaited<T>(sending: impl Future<Output = T>) -> bool {
    let mut sending = pin!(sending);
    poll_fn(|cx| {
        let poll = AssertUnwindSafe(|| sending.as_mut().poll(cx).map(drop));
        match catch_unwind(poll) {
            Ok(polled) => polled.map(|()| true),
            Err(_) => Poll::Ready(false),
        }
    })
    .await
}

/// A future that awaits receivers. It is in a lock that is never taken, so that this is `Sync`.
pub(crate) struct Waiting<T>(Mutex<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T> Waiting<T> {
    /// Wraps a future that awaits receivers.
    pub(crate) fn on(future: impl Future<Output = T> + Send + 'static) -> Self {
        Waiting(Mutex::new(Box::pin(future)))
    }

    /// Polls the future.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        let future = self
            .0
            .get_mut()
            .unwrap_or_else(|poison| poison.into_inner());
        future.as_mut().poll(cx)
    }
}
