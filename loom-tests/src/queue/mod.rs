//! Models of a queue's line: see README.md.

mod loom_sync;
mod shuttle_sync;
mod twins;

macro_rules! tests {
    ($check:ident: $($model:ident)*) => {
        $(#[test]
        fn $model() {
            crate::harness::$check(models::$model());
        })*
    };
}

/// Over loom: models of the data that the orderings make visible.
#[path = "."]
#[allow(dead_code, unreachable_pub)]
mod weak {
    use super::loom_sync as sync;

    #[path = "../../../src/queue/line.rs"]
    mod line;
    #[path = "models.rs"]
    mod models;

    tests! { loom:
        push_vs_shutdown push_vs_giving_up start_vs_giving_up push_vs_giving_up_a_stuck_worker
        blocked_push_vs_shutdown blocked_push_vs_worker displacing_push_vs_giving_up
        impatient_flush_vs_worker counts_vs_pushes
    }
    tests! { loom_large:
        two_give_up flush_vs_push flush_vs_displacing_pushes two_flushes flush_vs_giving_up
        two_workers_vs_giving_up
    }
}

/// Over shuttle.
#[path = "."]
#[allow(dead_code, unreachable_pub)]
mod interleaved {
    use super::shuttle_sync as sync;

    #[path = "../../../src/queue/line.rs"]
    mod line;
    #[path = "models.rs"]
    mod models;

    tests! { shuttle:
        push_vs_shutdown push_vs_giving_up start_vs_giving_up push_vs_giving_up_a_stuck_worker
        blocked_push_vs_shutdown blocked_push_vs_worker displacing_push_vs_giving_up two_give_up
        flush_vs_push flush_vs_displacing_pushes two_flushes flush_vs_giving_up
        impatient_flush_vs_worker counts_vs_pushes two_workers_vs_shutdown
        two_workers_vs_giving_up
    }
}
