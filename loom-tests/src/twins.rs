//! Worlds in which one step is weakened. A model of that step must fail there: if it passed,
//! its passing over the shipped file would prove nothing.

use crate::weakened::Weakened;

/// A world, and the models that fail in it, each with a part of its message.
macro_rules! twin {
    (
        $(#[$doc:meta])*
        $name:ident: over $sync:ident, $($copy:ident)+, $weakened:ident;
        $($check:ident $model:ident $message:literal)*
    ) => {
        $(#[$doc])*
        #[path = "."]
        #[allow(
            clippy::undocumented_unsafe_blocks,
            dead_code,
            unused_imports,
            reason = "copies have no comments, and models do not call everything in them"
        )]
        mod $name {
            use super::Weakened;
            use super::sync_of::$sync as sync;

            files_of!($($copy)+);
            #[path = "world/mod.rs"]
            mod world;

            const WEAKENED: Weakened = Weakened::$weakened;

            $(#[test]
            fn $model() {
                use crate::harness;
                harness::must_fail(harness::$check, world::$model(), $message);
            })*
        }
    };
}

mod sync_of {
    pub(super) use crate::loom_sync::*;
    pub(super) use crate::shuttle_sync as shuttle;
}

/// The four files as they ship, or one of them as a copy.
macro_rules! files_of {
    (shipped) => {
        files_of!(@held);
        files_of!(@hub);
        files_of!(@link);
        files_of!(@publish);
    };
    (held $copy:ident) => {
        mod held {
            include!(concat!(env!("OUT_DIR"), "/held_", stringify!($copy), ".rs"));
        }
        files_of!(@hub);
        files_of!(@link);
        files_of!(@publish);
    };
    (hub $copy:ident) => {
        files_of!(@held);
        mod hub {
            include!(concat!(env!("OUT_DIR"), "/hub_", stringify!($copy), ".rs"));
        }
        files_of!(@link);
        files_of!(@publish);
    };
    (link $copy:ident) => {
        files_of!(@held);
        files_of!(@hub);
        mod link {
            include!(concat!(env!("OUT_DIR"), "/link_", stringify!($copy), ".rs"));
        }
        files_of!(@publish);
    };
    ($copy:ident) => {
        files_of!(@held);
        files_of!(@hub);
        files_of!(@link);
        mod publish {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($copy), ".rs"));
        }
    };
    (@held) => {
        #[path = "../../src/table/held.rs"]
        mod held;
    };
    (@hub) => {
        #[path = "../../src/table/hub.rs"]
        mod hub;
    };
    (@link) => {
        #[path = "../../src/table/link.rs"]
        mod link;
    };
    (@publish) => {
        #[path = "../../src/table/publish.rs"]
        mod publish;
    };
}

twin! {
    /// A load that does not acquire lets a send into a table that is being built.
    relaxed_load: over relaxed_load, shipped, Nothing;
    loom disconnect_vs_send "Causality violation"
    loom word_to_an_emitter "Causality violation"
}

twin! {
    /// A swap that does not release fails the same models.
    relaxed_swap: over relaxed_swap, shipped, Nothing;
    loom disconnect_vs_send "Causality violation"
}

twin! {
    /// The address of the table, which a send loads first, would else have acquired it as well.
    relaxed_loads: over relaxed_load, hub current_not_acquired, Nothing;
    loom connect_vs_send "Causality violation"
}

twin! {
    /// A reader's note and a writer's replacement do not see each other.
    debt_without_fences: over debt_without_fences, shipped, Nothing;
    loom disconnect_vs_send "used after it was dropped"
    loom wait_vs_send "used after it was dropped"
}

twin! {
    /// The address of a table is published after the table.
    address_after_swap: over leaky_cell, address_after_swap, Nothing;
    loom word_to_an_emitter "called before, and known to be"
    loom attach_vs_emitter "`seen then unseen`, which must not be"
}

twin! {
    address_after_swap_interleaved: over shuttle, address_after_swap, Nothing;
    shuttle word_to_an_emitter "called before, and known to be"
}

twin! {
    /// While the last table goes, its address still counts as current.
    going_not_told: over leaky_cell, going_not_told, Nothing;
    loom emitter_never_goes_back "` then A then `, which must not be"
}

twin! {
    going_not_told_interleaved: over shuttle, going_not_told, Nothing;
    shuttle emitter_never_goes_back "which must not be"
}

twin! {
    /// A send reads "no table" when another writer may have published one.
    nobody_after_unlock: over leaky_cell, nobody_after_unlock, Nothing;
    loom last_disconnect_vs_connect "nobody finds it"
}

twin! {
    nobody_after_unlock_interleaved: over shuttle, nobody_after_unlock, Nothing;
    shuttle last_disconnect_vs_connect "nobody finds it"
}

twin! {
    /// A send that reads "no table" need not see the end of the last table.
    nobody_not_released: over leaky_cell, nobody_not_released, Nothing;
    loom emitter_never_goes_back "which must not be"
}

twin! {
    current_not_acquired: over leaky_cell, hub current_not_acquired, Nothing;
    loom sends_never_go_back "` then A`, which must not be"
}

twin! {
    /// A change starts from a table that another writer may have replaced.
    base_before_lock: over leaky_cell, base_before_lock, Nothing;
    loom connect_vs_connect "neither is undone"
    loom attach_vs_connect "neither is undone"
    loom connect_vs_disconnect_vs_send "neither is undone"
    loom purge_vs_connect "neither is undone"
}

twin! {
    base_before_lock_interleaved: over shuttle, base_before_lock, Nothing;
    shuttle connect_vs_connect "neither is undone"
    shuttle connect_vs_disconnect_vs_send "neither is undone"
    shuttle purge_vs_connect "neither is undone"
}

twin! {
    /// The weakness of `base_before_lock`, in the change that a send makes.
    discard_base_before_lock: over leaky_cell, discard_base_before_lock, Nothing;
    loom discard_vs_connect "the connect was undone"
}

twin! {
    /// A send waits for a writer: the outcome in which it did not is never reached.
    discard_waits: over leaky_cell, discard_waits, Nothing;
    loom discard_vs_connect "never reached the outcome `left`"
}

twin! {
    discard_waits_interleaved: over shuttle, discard_waits, Nothing;
    shuttle discard_vs_connect "never reached the outcome `left`"
}

twin! {
    /// Two connects look for their key before either has put it there.
    key_checked_before_lock: over leaky_cell, key_checked_before_lock, Nothing;
    loom same_key_twice "exactly one is new"
}

twin! {
    key_checked_before_lock_interleaved: over shuttle, key_checked_before_lock, Nothing;
    shuttle same_key_twice "exactly one is new"
}

twin! {
    /// A spent receiver keeps its key.
    spent_is_live: over leaky_cell, hub spent_is_live, Nothing;
    loom spent_key_vs_connect "a spent receiver keeps its key"
}

twin! {
    spent_is_live_interleaved: over shuttle, hub spent_is_live, Nothing;
    shuttle spent_key_vs_connect "a spent receiver keeps its key"
}

twin! {
    /// A handle says that a receiver is out before the table without it is published.
    unreachable_before_swap: over leaky_cell, link unreachable_before_swap, Nothing;
    loom not_connected_then_send "called, though not connected before"
}

twin! {
    unreachable_before_swap_interleaved: over shuttle, link unreachable_before_swap, Nothing;
    shuttle not_connected_then_send "called, though not connected before"
}

twin! {
    /// A handle reports the disconnect, but the table without the receiver need not be visible to
    /// its caller.
    unreachable_not_released: over leaky_cell, link unreachable_not_released, Nothing;
    loom not_connected_then_send "called, though not connected before"
}

twin! {
    unreachable_not_acquired: over leaky_cell, link unreachable_not_acquired, Nothing;
    loom not_connected_then_send "called, though not connected before"
}

twin! {
    /// Two sends look whether the run is taken before either has taken it.
    claim_in_two_steps: over leaky_cell, link claim_in_two_steps, Nothing;
    loom once_vs_two_sends "runs exactly once"
}

twin! {
    claim_in_two_steps_interleaved: over shuttle, link claim_in_two_steps, Nothing;
    shuttle once_vs_two_sends "runs exactly once"
}

twin! {
    /// A receiver that has been taken out is taken out again.
    removed_unchecked: over leaky_cell, removed_unchecked, Nothing;
    loom dead_weak_vs_two_sends "counted once"
}

twin! {
    removed_unchecked_interleaved: over shuttle, removed_unchecked, Nothing;
    shuttle dead_weak_vs_two_sends "counted once"
}

twin! {
    /// A target may die between the first call and the turn of its receiver.
    pinned_in_turn: over leaky_cell, shipped, PinnedInTurn;
    loom weak_drop_vs_send "pinned before the first call"
}

twin! {
    /// A target may die between a look at it and the call.
    unpinned: over leaky_cell, shipped, Unpinned;
    loom weak_drop_vs_send "the send has pinned the target"
}

twin! {
    /// A replaced table that a send holds is not kept: the send frees it.
    not_retired: over debt_cell, not_retired, Nothing;
    loom free_vs_send "a send frees nothing"
    loom free_vs_emitter "a send frees nothing"
}

twin! {
    /// A replaced table is dropped without a look at its count: the send, which has the last one,
    /// frees it.
    freed_unasked: over debt_cell, freed_unasked, Nothing;
    loom free_vs_send "a send frees nothing"
    loom free_vs_emitter "a send frees nothing"
}

twin! {
    not_retired_interleaved: over shuttle, not_retired, Nothing;
    shuttle free_vs_emitter "a send frees nothing"
}

twin! {
    /// Neither a send that leaves a spent receiver nor the writer sees the other.
    left_without_fence: over leaky_cell, left_without_fence, Nothing;
    loom once_vs_connect "a spent receiver is left"
    loom each_connects_then_sends_the_other "has the outcome `neither`, which must not be"
}

twin! {
    /// A writer that finds the flag need not see that the receiver is spent.
    left_not_released: over leaky_cell, left_not_released, Nothing;
    loom once_vs_connect "a spent receiver is left"
}

twin! {
    left_not_acquired: over leaky_cell, left_not_acquired, Nothing;
    loom once_vs_connect "a spent receiver is left"
}

twin! {
    /// A writer does not look whether a send has left a spent receiver.
    left_not_looked_for: over leaky_cell, left_not_looked_for, Nothing;
    loom once_vs_connect "a spent receiver is left"
}

twin! {
    left_not_looked_for_interleaved: over shuttle, left_not_looked_for, Nothing;
    shuttle once_vs_connect "a spent receiver is left"
}

twin! {
    /// The effects of the receiver and its destructor need not be visible to a thread that waited.
    gone_not_released: over debt_cell, link gone_not_released, Nothing;
    loom two_waits_vs_send "Causality violation"
}

twin! {
    gone_not_acquired: over debt_cell, link gone_not_acquired, Nothing;
    loom two_waits_vs_send "Causality violation"
}

twin! {
    /// A waiter returns while the receiver's destructor runs.
    gone_before_drop: over debt_cell, shipped, GoneBeforeDrop;
    loom two_waits_vs_send "Causality violation"
}

twin! {
    gone_before_drop_interleaved: over shuttle, shipped, GoneBeforeDrop;
    shuttle_random two_waits_vs_send "its destructor has not returned"
}

twin! {
    /// A handle finds that the receiver has gone, but the receiver's effects need not be visible.
    end_not_acquired: over debt_cell, shipped, EndNotAcquired;
    loom wait_vs_send_and_disconnect "Causality violation"
}

twin! {
    /// A change begins before the freeze and ends after it.
    frozen_checked_before_lock: over leaky_cell, frozen_checked_before_lock, Nothing;
    loom freeze_vs_connect "exactly one is first"
}

twin! {
    frozen_checked_before_lock_interleaved: over shuttle, frozen_checked_before_lock, Nothing;
    shuttle freeze_vs_connect "exactly one is first"
}

twin! {
    /// The last table is one that another change has replaced.
    last_table_before_lock: over leaky_cell, last_table_before_lock, Nothing;
    loom freeze_vs_connect "exactly one is first"
    loom freeze_vs_disconnect "exactly one is first"
}

twin! {
    last_table_before_lock_interleaved: over shuttle, last_table_before_lock, Nothing;
    shuttle freeze_vs_connect "exactly one is first"
    shuttle freeze_vs_disconnect "exactly one is first"
}

twin! {
    /// A send finds the freeze, and no table.
    last_table_not_kept: over leaky_cell, last_table_not_kept, Nothing;
    loom freeze_vs_send "the last table"
}

twin! {
    /// A signal without receivers has no table, although it is observed.
    empty_not_published: over leaky_cell, empty_not_published, Nothing;
    loom attach_vs_send "attached before, and known to be"
}

twin! {
    /// A detach leaves the observer in the table.
    tap_not_removed: over leaky_cell, tap_not_removed, Nothing;
    loom detach_vs_send "detached before, and known to be"
}

twin! {
    /// An attach does not wait for a connect.
    retap_gives_up: over leaky_cell, retap_gives_up, Nothing;
    loom attach_vs_connect "neither is undone"
    loom freeze_vs_attach "attached before, and known to be"
}

twin! {
    /// An attach looks for the observers before it has the lock.
    tap_before_lock: over leaky_cell, tap_before_lock, Nothing;
    loom attach_vs_attach "neither is undone"
}

twin! {
    tap_before_lock_interleaved: over shuttle, tap_before_lock, Nothing;
    shuttle attach_vs_attach "neither is undone"
}

twin! {
    /// Sends of a frozen signal walk the last table, although it is observed.
    frozen_while_tapped: over leaky_cell, frozen_while_tapped, Nothing;
    loom freeze_vs_attach "attached before, and known to be"
}

twin! {
    frozen_while_tapped_interleaved: over shuttle, frozen_while_tapped, Nothing;
    shuttle freeze_vs_attach "attached before, and known to be"
}

twin! {
    /// Neither an emitter that starts a send nor the writer sees the other.
    sending_without_barrier: over sending_without_barrier, shipped, Nothing;
    loom wait_vs_idle_emitter "used after it was dropped"
}

twin! {
    /// The writer takes a table that a send of the emitter uses.
    taken_while_sending: over debt_cell, held taken_while_sending, Nothing;
    loom wait_vs_idle_emitter "Causality violation"
}

twin! {
    taken_while_sending_interleaved: over shuttle, held taken_while_sending, Nothing;
    shuttle_random wait_vs_idle_emitter ""
}

twin! {
    /// The writer frees the table, but the last send's accesses to it need not be visible.
    idle_not_released: over debt_cell, held idle_not_released, Nothing;
    loom wait_vs_idle_emitter "Causality violation"
}

twin! {
    /// The writer takes whatever table the emitter has.
    taken_unasked: over debt_cell, held taken_unasked, Nothing;
    loom_large wait_vs_busy_emitter "Causality violation"
}

twin! {
    /// A change publishes each of its steps, so that a send comes between two of them.
    step_by_step: over leaky_cell, shipped, StepByStep;
    loom replace_vs_send "both receivers or neither"
}
