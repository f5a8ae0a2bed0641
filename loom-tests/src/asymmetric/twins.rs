//! Worlds in which one step is weakened, and the models that must fail there: see
//! `src/twins.rs`.

/// A world, and the models that fail in it, each with a part of its message.
macro_rules! twin {
    (
        $(#[$doc:meta])*
        $name:ident: $file:ident;
        $($check:ident $model:ident $message:literal)*
    ) => {
        $(#[$doc])*
        #[path = "."]
        #[allow(
            clippy::all,
            clippy::undocumented_unsafe_blocks,
            dead_code,
            unreachable_code,
            unreachable_pub,
            unused,
            private_interfaces,
            reason = "weakened copies, without comments"
        )]
        mod $name {
            use super::super::sync;

            files_of!($file $name);
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

macro_rules! files_of {
    (cell $copy:ident) => {
        mod cell {
            include!(concat!(env!("OUT_DIR"), "/cell_", stringify!($copy), ".rs"));
        }
        #[path = "../../../src/table/asymmetric/nodes.rs"]
        mod nodes;
    };
    (nodes $copy:ident) => {
        #[path = "../../../src/table/asymmetric/cell.rs"]
        mod cell;
        mod nodes {
            include!(concat!(
                env!("OUT_DIR"),
                "/nodes_",
                stringify!($copy),
                ".rs"
            ));
        }
    };
}

twin! {
    /// A reader may load before the writer can see that it is about to.
    entered_without_barrier: cell;
    loom reader_vs_swap "Causality violation"
}

twin! {
    /// A writer may look before a loading reader can see that it has swapped.
    looked_without_barrier: cell;
    loom reader_vs_swap "Causality violation"
}

twin! {
    /// A reader may look for a debt before the writer can see that it has left.
    left_without_barrier: cell;
    loom reader_vs_swap "`A` was dropped 0 times"
}

twin! {
    /// A writer may look again before a leaving reader can see that there is a debt.
    looked_again_without_barrier: cell;
    loom reader_vs_swap "`A` was dropped 0 times"
}

twin! {
    /// A reader says nothing before it loads.
    about_not_said: cell;
    loom reader_vs_swap "Causality violation"
}

twin! {
    /// A writer passes over who is about to load.
    about_not_awaited: cell;
    loom reader_vs_swap "Causality violation"
    loom one_address_in_two_cells "Causality violation"
}

twin! {
    /// A writer does not take back what nobody came for.
    not_looked_again: cell;
    loom reader_vs_swap "`A` was dropped 0 times"
    loom counts_of_the_old "a count is left after the last handle was dropped"
}

twin! {
    /// A writer takes back its count and leaves the note of it: the next table at that address
    /// loses a count.
    debt_left_over: cell;
    loom one_address_in_two_cells "dropped"
}

twin! {
    /// A reader is left a count that is the writer's.
    debt_without_count: cell;
    loom retired_vs_reader "a send dropped a retired table"
}

twin! {
    /// A writer takes back a count that the reader still relies on.
    taken_back_anyway: cell;
    loom reader_vs_swap "Causality violation"
}

twin! {
    /// A reader drops nothing.
    debt_not_looked_for: cell;
    loom reader_vs_swap "`A` was dropped 0 times"
}

twin! {
    /// Reader and writer both take one debt.
    debt_taken_in_two_steps: cell;
    loom counts_of_the_old "Causality violation"
}

twin! {
    /// A reader takes the count of another table for one of its own.
    debt_of_another_taken: cell;
    loom_deep next_cell_vs_swap "`A` was dropped 0 times"
}

twin! {
    /// A count may be dropped before it is there.
    debt_before_its_count: cell;
    loom counts_of_the_old "counted again after the last count had gone"
}

twin! {
    /// Two writers use the room of one debt.
    writers_out_of_turn: cell;
    loom two_cells_vs_reader "was dropped"
}

twin! {
    /// The effects of a send need not be complete when its table is dropped.
    left_not_released: cell;
    loom reader_vs_swap "Causality violation"
}

twin! {
    /// A thread that finds itself the last holder need not see the effects of a send.
    look_not_acquired: cell;
    loom counts_of_the_old "Causality violation"
}

twin! {
    second_look_not_acquired: cell;
    loom_deep counts_of_the_old "Causality violation"
}

twin! {
    /// A reader sees a table that is not finished.
    load_not_acquired: cell;
    loom reader_vs_swap "Causality violation"
}

twin! {
    swap_not_released: cell;
    loom reader_vs_swap "Causality violation"
}

twin! {
    /// Two threads have the same slots.
    node_taken_in_two_steps: nodes;
    loom slots_of_one_thread "another thread has these slots"
}
twin! {
    /// The slots of a thread that ended may seem to be in use, or be emptied once more.
    node_not_acquired: nodes;
    loom slots_of_one_thread "another thread has these slots"
    loom_large slots_taken_again "Causality violation"
}
twin! {
    /// The slots of a thread are lost when it ends.
    node_not_given_back: nodes;
    loom_large slots_taken_again "never reached the outcome"
}

twin! {
    /// The slots of one of two threads are lost.
    node_pushed_in_two_steps: nodes;
    loom_large first_sends_vs_swap "Causality violation"
}

twin! {
    /// A writer may look at slots that are not made.
    push_not_released: nodes;
    loom_large first_sends_vs_swap "Causality violation"
}

twin! {
    nodes_not_acquired: nodes;
    loom_large first_sends_vs_swap "Causality violation"
}
