//! Worlds in which one step is weakened, and the models that must fail there: see
//! `src/twins.rs`.

/// A world, and the models that fail in it, each with a part of its message.
macro_rules! twin {
    (
        $(#[$doc:meta])*
        $name:ident: over $sync:ident, $copy:ident;
        $($check:ident $model:ident $message:literal)*
    ) => {
        $(#[$doc])*
        #[path = "."]
        #[allow(clippy::all, dead_code, unreachable_pub, unused_imports, unused_mut)]
        mod $name {
            use super::super::$sync as sync;

            mod line {
                include!(concat!(env!("OUT_DIR"), "/line_", stringify!($copy), ".rs"));
            }
            #[path = "models.rs"]
            mod models;

            $(#[test]
            fn $model() {
                use crate::harness;
                harness::must_fail(harness::$check, models::$model(), $message);
            })*
        }
    };
}

twin! {
    /// An item that is pushed after the close is counted as well, and the count is never all
    /// settled.
    closed_not_seen: over shuttle_sync, closed_not_seen;
    shuttle push_vs_shutdown "deadlock"
    shuttle push_vs_giving_up_a_stuck_worker "deadlock"
}

twin! {
    /// A close comes between the look and the ticket.
    ticket_in_two_steps: over shuttle_sync, ticket_in_two_steps;
    shuttle push_vs_shutdown "deadlock"
}

twin! {
    /// The worker ends while a sender has a ticket.
    worker_goes_early: over shuttle_sync, worker_goes_early;
    shuttle push_vs_shutdown "deadlock"
}

twin! {
    /// The worker waits for an item that nobody will push.
    worker_not_told: over shuttle_sync, worker_not_told;
    shuttle push_vs_shutdown "deadlock"
}

twin! {
    /// The second of two workers waits for an item that will not be pushed.
    wake_not_passed_on: over shuttle_sync, wake_not_passed_on;
    shuttle two_workers_vs_shutdown "deadlock"
}

twin! {
    /// A shutdown returns while a sender has a ticket.
    drain_goes_early: over shuttle_sync, drain_goes_early;
    shuttle push_vs_giving_up_a_stuck_worker "is lost"
}

twin! {
    /// A shutdown waits for a sender that was refused.
    drain_not_told: over shuttle_sync, drain_not_told;
    shuttle displacing_push_vs_giving_up "deadlock"
}

twin! {
    /// A shutdown without patience waits for the worker all the same.
    drain_waits_for_what_runs: over shuttle_sync, drain_waits_for_what_runs;
    shuttle push_vs_giving_up_a_stuck_worker "deadlock"
    shuttle start_vs_giving_up "deadlock"
}

twin! {
    /// The worker starts an item that a shutdown should have returned.
    start_not_refused: over shuttle_sync, start_not_refused;
    shuttle start_vs_giving_up "deadlock"
}

twin! {
    /// The worker looks whether it may start before it says that it does.
    start_in_two_steps: over shuttle_sync, start_in_two_steps;
    shuttle start_vs_giving_up "deadlock"
}

twin! {
    /// The worker had taken something out and gave it back after what came later.
    left_over_unsorted: over shuttle_sync, left_over_unsorted;
    shuttle two_give_up "left over out of order"
}

twin! {
    /// A shutdown leaves senders waiting for room.
    waits_for_room_not_ended: over shuttle_sync, waits_for_room_not_ended;
    shuttle blocked_push_vs_shutdown "deadlock"
}

twin! {
    /// A ticket is never settled.
    refusal_not_settled: over shuttle_sync, refusal_not_settled;
    shuttle blocked_push_vs_shutdown "deadlock"
}

twin! {
    /// The thread that settles the last ticket after a close wakes no waiter.
    close_not_watched: over shuttle_sync, close_not_watched;
    shuttle push_vs_shutdown "deadlock"
}

twin! {
    /// Nor does a close that finds everything settled.
    close_does_not_tell: over shuttle_sync, close_does_not_tell;
    shuttle push_vs_shutdown "deadlock"
}

twin! {
    /// A thread that waits for a flush is not woken by the last delivery.
    finish_not_told: over shuttle_sync, finish_not_told;
    shuttle flush_vs_push "deadlock"
}

twin! {
    /// The last delivery falls between the look and the mark.
    watched_after_the_look: over shuttle_sync, watched_after_the_look;
    shuttle flush_vs_push "deadlock"
}

twin! {
    /// A thread that has flushed removes the mark of another that still flushes.
    others_unwatched: over shuttle_sync, others_unwatched;
    shuttle two_flushes "deadlock"
}

twin! {
    /// Items that were dropped since are counted as items that were there before.
    rounds_without_bits: over shuttle_sync, rounds_without_bits;
    shuttle flush_vs_displacing_pushes "was not dealt with"
}

twin! {
    /// A thread that has flushed need not see the effects of the receiver.
    finish_not_released: over loom_sync, finish_not_released;
    loom flush_vs_push "Causality violation"
    loom push_vs_shutdown "Causality violation"
}

twin! {
    settled_not_acquired: over loom_sync, settled_not_acquired;
    loom flush_vs_push "Causality violation"
}

twin! {
    /// The same for a shutdown.
    open_not_acquired: over loom_sync, open_not_acquired;
    loom push_vs_shutdown "Causality violation"
}

twin! {
    /// A thread that sees the refusal of a push need not see the push.
    rejected_not_released: over loom_sync, rejected_not_released;
    loom counts_vs_pushes "more went out than came in"
}

twin! {
    rejected_not_acquired: over loom_sync, rejected_not_acquired;
    loom counts_vs_pushes "more went out than came in"
}
