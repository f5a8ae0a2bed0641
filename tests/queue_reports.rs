//! With the feature `tracing`, each panic on a worker is reported once.
#![cfg(all(feature = "queue", feature = "tracing"))]

mod listener;

use std::panic::resume_unwind;

use fanfare::{Event, Queue, Signal};
use listener::Listener;

/// Panics as it is dropped, if it is a clone.
struct Fragile {
    is_clone: bool,
}

impl Clone for Fragile {
    fn clone(&self) -> Self {
        Fragile { is_clone: true }
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        if self.is_clone {
            resume_unwind(Box::new("event broken"));
        }
    }
}

impl Event for Fragile {
    type Args<'a> = Fragile;
}

/// It is one test, because a process has one subscriber that gets the events of the workers.
#[test]
fn each_panic_on_a_worker_is_reported_once_and_the_worker_goes_on() {
    let listener = Listener::default();
    tracing::subscriber::set_global_default(listener.clone()).unwrap();
    let told = || listener.take();
    let queue = Queue::bounded(16).unwrap();

    let signal = Signal::<u32>::new();
    let burnt = signal.options().name("burnt").queued(&queue);
    let burnt = burnt.connect(|_, _| panic!("too hot"));
    signal.send(&1);
    signal.send(&2);
    queue.flush().unwrap();
    let id = burnt.id();
    let expected = format!(
        "ERROR fanfare: message=queued receiver panicked receiver={id} name=\"burnt\" panic=\"too hot\" "
    );
    assert_eq!(told(), [expected.clone(), expected]);

    let signal = Signal::<Fragile>::new();
    signal.options().queued(&queue).connect(|_, _| ());
    signal.send(&Fragile { is_clone: false });
    queue.flush().unwrap();
    let told_of_event = told();
    assert_eq!(told_of_event.len(), 1, "{told_of_event:?}");
    assert!(told_of_event[0].contains("a queued event's destructor panicked"));
    assert!(
        told_of_event[0].contains("event broken"),
        "{told_of_event:?}"
    );

    struct Broken;
    impl Drop for Broken {
        fn drop(&mut self) {
            resume_unwind(Box::new("receiver broken"));
        }
    }
    let signal = Signal::<u32>::new();
    let held = Broken;
    signal.options().queued(&queue).connect(move |_, _| {
        let _held = &held;
    });
    signal.send(&1);
    drop(signal);
    queue.flush().unwrap();
    let told_of_receiver = told();
    assert_eq!(told_of_receiver.len(), 1, "{told_of_receiver:?}");
    assert!(told_of_receiver[0].contains("receiver's destructor panicked"));
    assert!(
        told_of_receiver[0].contains("receiver broken"),
        "{told_of_receiver:?}"
    );

    let stats = queue.stats();
    assert_eq!((stats.delivered, stats.panicked), (4, 2));
}
