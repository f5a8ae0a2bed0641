//! Tests of the slots of threads that end. The other promises have models: see `loom-tests/`.

use super::nodes;
use crate::Signal;

static ENDED: Signal<()> = Signal::new();

/// Sends when it is dropped.
struct Sends;

impl Drop for Sends {
    fn drop(&mut self) {
        assert_eq!(ENDED.send(&()).len(), 1);
    }
}

thread_local! {
    static AT_THE_END: Sends = const { Sends };
}

/// A thread whose own node is given back borrows one for each send.
#[test]
fn sends_of_threads_that_end_leave_no_slots_behind() {
    ENDED.connect(|_, ()| ());
    let one_thread = || {
        // Its destructor runs after that of the node, because it was registered before it.
        AT_THE_END.with(|_| ());
        ENDED.send(&());
    };
    let before = nodes::all().count();
    let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    for _ in 0..250 * cores {
        std::thread::spawn(one_thread)
            .join()
            .expect("its sends succeed");
    }
    // Other tests start some threads meanwhile: more if the machine has more cores.
    let added = nodes::all().count() - before;
    assert!(added < 125 * cores, "{added} slots are new");
}
