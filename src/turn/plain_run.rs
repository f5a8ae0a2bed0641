//! The run of a receiver that observers see, in the most frequent case: the send calls it, and
//! there is neither a span nor a scope nor a budget.

use std::time::Instant;

use crate::tap::observer::{Described, ObservedReceiver, ObservedSend, ReceiverEnd};
use crate::tap::observers::Tap;
use crate::tap::ways::Outcome;

/// The run of a receiver. Observers see its end when this is dropped.
///
/// `Run` in `observed_run.rs` does the same for every case. Its fields and its steps take three
/// times the instructions of this.
pub(super) struct PlainRun<'a> {
    tap: &'a Tap,
    send: &'a ObservedSend<'a>,
    receiver: ObservedReceiver<'a>,
    started: Option<Instant>,
    outcome: Outcome,
}

impl<'a> PlainRun<'a> {
    /// Calls `run`, which runs the receiver.
    #[inline(always)]
    pub(super) fn run<T>(
        tap: &'a Tap,
        send: &'a ObservedSend<'a>,
        receiver: &'a dyn Described,
        run: impl FnOnce() -> T,
    ) -> T {
        let receiver = ObservedReceiver(receiver);
        tap.show(|observer| observer.receiver_started(send, &receiver));
        let mut own = PlainRun {
            tap,
            send,
            receiver,
            started: tap.is_timed.then(Instant::now),
            outcome: Outcome::Panicked,
        };
        let returned = {
            let _inside = send.cause_of(receiver.id()).entered();
            run()
        };
        own.outcome = Outcome::Returned;
        returned
    }
}

impl Drop for PlainRun<'_> {
    #[inline]
    fn drop(&mut self) {
        let end = ReceiverEnd {
            outcome: self.outcome,
            duration: self.started.map(|started| started.elapsed()),
        };
        self.tap
            .show(|observer| observer.receiver_ended(self.send, &self.receiver, &end));
    }
}
