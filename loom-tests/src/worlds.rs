//! The shipped file in three worlds.

use crate::weakened::Weakened;

macro_rules! tests {
    ($check:ident: $($model:ident)*) => {
        $(#[test]
        fn $model() {
            crate::harness::$check(world::$model());
        })*
    };
}

/// Over loom, with a cell that keeps every table: models of the data that the orderings make
/// visible.
#[path = "."]
#[allow(
    dead_code,
    reason = "it tries some of the models, which call some of the file"
)]
mod leaky {
    use super::Weakened;
    use crate::loom_sync::leaky_cell as sync;

    #[path = "../../src/table/held.rs"]
    mod held;
    #[path = "../../src/table/hub.rs"]
    mod hub;
    #[path = "../../src/table/link.rs"]
    mod link;
    #[path = "../../src/table/publish.rs"]
    mod publish;
    #[path = "world/mod.rs"]
    mod world;

    const WEAKENED: Weakened = Weakened::Nothing;

    tests! { loom_unbounded:
        connect_vs_send disconnect_vs_send replace_vs_send connect_vs_connect same_key_twice
        weak_drop_vs_send purge_vs_connect discard_vs_connect
        not_connected_then_send freeze_vs_connect freeze_vs_disconnect
        attach_vs_send detach_vs_send attach_vs_attach freeze_vs_attach
    }
    tests! { loom:
        attach_vs_connect attach_vs_emitter
        once_vs_connect connect_vs_disconnect_vs_send once_vs_two_sends spent_key_vs_connect
        dead_weak_vs_two_sends last_disconnect_vs_connect word_to_an_emitter
        each_connects_then_sends_the_other sends_never_go_back emitter_never_goes_back
        freeze_vs_send freeze_vs_emitter
    }
}

/// Over loom, with a cell that lets tables go: the end of receivers.
#[path = "."]
#[allow(
    dead_code,
    reason = "it tries some of the models, which call some of the file"
)]
mod reclaiming {
    use super::Weakened;
    use crate::loom_sync::debt_cell as sync;

    #[path = "../../src/table/held.rs"]
    mod held;
    #[path = "../../src/table/hub.rs"]
    mod hub;
    #[path = "../../src/table/link.rs"]
    mod link;
    #[path = "../../src/table/publish.rs"]
    mod publish;
    #[path = "world/mod.rs"]
    mod world;

    const WEAKENED: Weakened = Weakened::Nothing;

    tests! { loom:
        connect_vs_send disconnect_vs_send replace_vs_send once_vs_two_sends
        last_disconnect_vs_connect
        wait_vs_send wait_vs_send_and_disconnect impatient_wait_vs_send
        not_connected_then_send freeze_vs_send freeze_vs_connect freeze_vs_disconnect
        free_vs_send free_vs_emitter wait_vs_idle_emitter
        attach_vs_send detach_vs_send attach_vs_connect attach_vs_attach freeze_vs_attach
        attach_vs_emitter
    }
    tests! { loom_large: two_waits_vs_send wait_vs_busy_emitter }
}

/// Over loom, with the shipped cell of the feature `asymmetric`.
#[path = "."]
#[allow(dead_code, reason = "the models do not call everything in the file")]
mod asymmetric {
    use super::Weakened;
    use crate::loom_sync::asymmetric_cell as sync;

    #[path = "../../src/table/held.rs"]
    mod held;
    #[path = "../../src/table/hub.rs"]
    mod hub;
    #[path = "../../src/table/link.rs"]
    mod link;
    #[path = "../../src/table/publish.rs"]
    mod publish;
    #[path = "world/mod.rs"]
    mod world;

    const WEAKENED: Weakened = Weakened::Nothing;

    tests! { loom_large:
        connect_vs_send disconnect_vs_send last_disconnect_vs_connect wait_vs_send
        impatient_wait_vs_send not_connected_then_send freeze_vs_send freeze_vs_connect
        free_vs_send
    }
}

/// Over shuttle.
#[path = "."]
#[allow(dead_code, reason = "the models do not call everything in the file")]
mod interleaved {
    use super::Weakened;
    use crate::shuttle_sync as sync;

    #[path = "../../src/table/held.rs"]
    mod held;
    #[path = "../../src/table/hub.rs"]
    mod hub;
    #[path = "../../src/table/link.rs"]
    mod link;
    #[path = "../../src/table/publish.rs"]
    mod publish;
    #[path = "world/mod.rs"]
    mod world;

    const WEAKENED: Weakened = Weakened::Nothing;

    tests! { shuttle:
        connect_vs_send disconnect_vs_send connect_vs_connect same_key_twice
        connect_vs_disconnect_vs_send once_vs_two_sends spent_key_vs_connect weak_drop_vs_send
        dead_weak_vs_two_sends purge_vs_connect discard_vs_connect last_disconnect_vs_connect
        word_to_an_emitter each_connects_then_sends_the_other impatient_wait_vs_send
        not_connected_then_send sends_never_go_back emitter_never_goes_back
        freeze_vs_send freeze_vs_emitter freeze_vs_connect freeze_vs_disconnect
        free_vs_send free_vs_emitter once_vs_connect
        attach_vs_send detach_vs_send attach_vs_connect attach_vs_attach freeze_vs_attach
        attach_vs_emitter
    }
    tests! { shuttle_random:
        wait_vs_send wait_vs_send_and_disconnect two_waits_vs_send wait_vs_idle_emitter
        wait_vs_busy_emitter
    }
}
