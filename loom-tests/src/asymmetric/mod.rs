//! Models of the asymmetric cell: see README.md.

pub(crate) mod sync;
mod twins;

macro_rules! tests {
    ($check:ident: $($model:ident)*) => {
        $(#[test]
        fn $model() {
            crate::harness::$check(models::$model());
        })*
    };
}

/// The shipped files.
#[path = "."]
#[allow(
    dead_code,
    unreachable_pub,
    private_interfaces,
    reason = "the models do not call everything in the files, which are modules of another crate"
)]
pub(crate) mod shipped {
    use super::sync;

    #[path = "../../../src/table/asymmetric/cell.rs"]
    pub(crate) mod cell;
    #[path = "models.rs"]
    mod models;
    #[path = "../../../src/table/asymmetric/nodes.rs"]
    mod nodes;

    tests! { loom:
        reader_vs_swap reader_vs_removal counts_of_the_old nested_vs_swap owned_vs_swap
        slots_of_one_thread retired_vs_reader one_address_in_two_cells
    }
    tests! { loom_deep:
        next_cell_vs_swap
    }
    tests! { loom_large:
        two_swaps_vs_reader two_cells_vs_reader nested_past_the_slots first_sends_vs_swap
        slots_taken_again
    }
}

/// The same, as where threads cannot be made to pass a barrier.
#[path = "."]
#[allow(
    dead_code,
    unreachable_pub,
    private_interfaces,
    reason = "the models do not call everything in the files, which are modules of another crate"
)]
mod fenced {
    use super::sync::fenced as sync;

    #[path = "../../../src/table/asymmetric/cell.rs"]
    mod cell;
    #[path = "models.rs"]
    mod models;
    #[path = "../../../src/table/asymmetric/nodes.rs"]
    mod nodes;

    tests! { loom:
        reader_vs_swap counts_of_the_old nested_vs_swap retired_vs_reader
        one_address_in_two_cells
    }
}
