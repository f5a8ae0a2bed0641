//! A refused blocking send prints one panic, which names the fix. The check whether it has to be
//! refused prints no panic, and leaves the task's budget as it was. A process of its own, for its
//! panic hook.
#![cfg(feature = "tokio")]

use std::panic::{catch_unwind, set_hook, take_hook};
use std::sync::Mutex;

use fanfare::Signal;
use tokio::runtime::Builder;
use tokio::task::coop;

static PRINTED: Mutex<Vec<String>> = Mutex::new(Vec::new());
static SIGNAL: Signal<()> = Signal::new();

fn refused() {
    let budget = coop::has_budget_remaining();
    assert!(catch_unwind(|| SIGNAL.send(&())).is_err());
    assert!(budget && coop::has_budget_remaining());
}

#[test]
fn a_refusal_prints_its_own_message_alone() {
    SIGNAL.connect_async(|_sender, ()| Box::pin(async {}));
    let hook = take_hook();
    set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("no text").to_owned();
        PRINTED.lock().unwrap().push(text);
    }));
    let many = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let one = Builder::new_current_thread().build().unwrap();
    for runtime in [many, one] {
        runtime.block_on(async { refused() });
        let task = runtime.spawn(async { refused() });
        runtime.block_on(task).unwrap();
        let allowed = runtime.spawn_blocking(|| SIGNAL.send(&()).len());
        assert_eq!(runtime.block_on(allowed).unwrap(), 1);
    }
    set_hook(hook);
    let printed = PRINTED.lock().unwrap();
    assert_eq!(printed.len(), 4, "{printed:#?}");
    assert!(printed.iter().all(|it| it.contains("await `asend`")));
}
