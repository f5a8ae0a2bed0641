//! Sending: at once where nothing has to be awaited, and what to do where it has to.
//!
//! All sends are robust, and none lets a panic out: a request goes on whatever its receivers do.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::thread;

use fanfare::{Event, Sender, Signal};
use fanfare_django::request::REQUEST_FINISHED;

use crate::followed::Followed;

/// Sends if no receiver has to be awaited; returns whether it did.
///
/// False as well where the send refuses before its first call: it is nested too deep, or an
/// async receiver has connected just now.
pub(crate) fn now<E: Event>(signal: &Signal<E>, sender: Sender<'_>, event: &E::Args<'_>) -> bool {
    if signal.from(sender).wants_asend() {
        return false;
    }
    let send = AssertUnwindSafe(|| drop(signal.from(sender).send_robust(event)));
    catch_unwind(send).is_ok()
}

/// Awaits the receivers of a robust send; returns false if it refused, for being nested too deep.
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

/// Sends the end of a request that nobody is there to await.
pub(crate) fn detached(followed: Followed) {
    #[cfg(feature = "tokio")]
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        // A runtime that is shutting down drops the task, and with it what was followed: then
        // that finds a thread.
        runtime.spawn(followed.finish());
        return;
    }
    on_a_thread(followed);
}

/// Sends the end of a request on a thread of its own, which no executor uses.
pub(crate) fn on_a_thread(followed: Followed) {
    let state = followed.over();
    let send = move || {
        let send = || {
            REQUEST_FINISHED
                .from(state.sender())
                .send_robust(&state.finished())
        };
        drop(catch_unwind(AssertUnwindSafe(send)));
    };
    // Where no thread is to be had, there is no place left that may block.
    let _ = thread::Builder::new()
        .name("request_finished".into())
        .spawn(send);
}
