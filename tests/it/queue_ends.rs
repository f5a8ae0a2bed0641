//! Destructors and waits that end in a queue end quietly, on workers and in senders.
#![cfg(feature = "queue")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use fanfare::error::WaitError;
use fanfare::{Connection, Event, Queue, Signal};

type Slot = OnceLock<Connection>;

#[test]
fn an_events_destructor_on_a_worker_waits_for_no_receiver_that_the_job_held() {
    static CONNECTION: Slot = OnceLock::new();
    static WAITED: Mutex<Option<Result<(), WaitError>>> = Mutex::new(None);
    struct Ends;
    impl Clone for Ends {
        fn clone(&self) -> Self {
            Ends
        }
    }
    impl Drop for Ends {
        fn drop(&mut self) {
            if thread::current().name() == Some("ends-0") {
                let connection = CONNECTION.get().unwrap();
                let waited = connection.disconnect_and_wait(Duration::from_secs(60));
                *WAITED.lock().unwrap() = Some(waited);
            }
        }
    }
    impl Event for Ends {
        type Args<'a> = Ends;
    }
    static ENDED: Signal<Ends> = Signal::new();

    let queue = Queue::builder().name("ends").build().unwrap();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let connection = ENDED.options().queued(&queue).connect(move |_, _| {
        may_go_on.lock().unwrap().recv().unwrap();
    });
    assert!(CONNECTION.set(connection).is_ok());
    ENDED.send(&Ends);
    // Only then, so that the worker is the last to have the event.
    go_on.send(()).unwrap();
    queue.flush().unwrap();
    assert_eq!(*WAITED.lock().unwrap(), Some(Ok(())));
}

#[test]
fn an_events_destructor_that_panics_does_not_reach_the_sender() {
    static CLONES_DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Fragile(bool);
    impl Clone for Fragile {
        fn clone(&self) -> Self {
            Fragile(true)
        }
    }
    impl Drop for Fragile {
        fn drop(&mut self) {
            if self.0 {
                CLONES_DROPPED.fetch_add(1, Ordering::Relaxed);
                panic!("broken");
            }
        }
    }
    impl Event for Fragile {
        type Args<'a> = Fragile;
    }
    static BROKEN: Signal<Fragile> = Signal::new();
    static DELIVERED: OnceLock<Mutex<Receiver<()>>> = OnceLock::new();

    let queue = Queue::bounded(1).unwrap();
    let own = queue.clone();
    let (tell, told) = mpsc::channel();
    DELIVERED.get_or_init(|| Mutex::new(told));
    BROKEN
        .options()
        .queued(&queue)
        .connect(move |_, _| tell.send(()).unwrap());
    // After it in the same send: holds the sender back until the worker has dropped the event.
    BROKEN.options().priority(-1).connect(move |_, _| {
        DELIVERED.get().unwrap().lock().unwrap().recv().unwrap();
        own.flush().unwrap();
    });
    let event = Fragile(false);
    assert_eq!(BROKEN.send(&event).len(), 2);
    assert_eq!(BROKEN.send_robust(&event).panics().len(), 0);
    assert_eq!(CLONES_DROPPED.load(Ordering::Relaxed), 2);
}

#[test]
fn a_wait_on_a_worker_for_a_receiver_of_its_queue_is_refused() {
    static FIRST: Signal<u32> = Signal::new();
    static SECOND: Signal<u32> = Signal::new();
    static WAITED: Mutex<Vec<Result<(), WaitError>>> = Mutex::new(Vec::new());

    let queue = Queue::bounded(8).unwrap();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let behind = SECOND.options().queued(&queue).connect(|_, _| ());
    FIRST.options().queued(&queue).connect(move |_, _| {
        may_go_on.lock().unwrap().recv().unwrap();
        let waited = behind.disconnect_and_wait(Duration::from_secs(60));
        WAITED.lock().unwrap().push(waited);
    });
    FIRST.send(&1);
    SECOND.send(&2);
    go_on.send(()).unwrap();
    queue.flush().unwrap();
    assert_eq!(*WAITED.lock().unwrap(), [Err(WaitError::InsideSend)]);
    assert_eq!(queue.delivered(), 2, "what was queued for it is delivered");
}

#[test]
fn a_receiver_in_a_queue_is_not_connected_once_its_signal_is_dropped() {
    let queue = Queue::bounded(8).unwrap();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let signal = Signal::<u32>::new();
    let connection = signal.options().queued(&queue).connect(move |_, _| {
        may_go_on.lock().unwrap().recv().unwrap();
    });
    signal.send(&1);
    assert!(connection.is_connected());
    drop(signal);
    // The queue has the receiver until its event is delivered.
    assert!(!connection.is_connected());
    go_on.send(()).unwrap();
    queue.flush().unwrap();
    assert_eq!(queue.delivered(), 1);
}

/// The flush that ends first leaves the mark by which workers notify the other.
#[test]
fn two_flushes_at_once_both_end() {
    for turn in 0..50 {
        let queue = Queue::bounded(8).unwrap();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let may_go_on = Mutex::new(may_go_on);
        let signal = Signal::<u32>::new();
        signal.options().queued(&queue).connect(move |_, _| {
            may_go_on.lock().unwrap().recv().unwrap();
        });
        let long = Duration::from_secs(20);
        thread::scope(|scope| {
            signal.send(&1);
            let early = scope.spawn(|| queue.flush_timeout(long));
            thread::sleep(Duration::from_millis(2));
            signal.send(&2);
            let late = scope.spawn(|| queue.flush_timeout(long));
            thread::sleep(Duration::from_millis(2));
            go_on.send(()).unwrap();
            while queue.delivered() == 0 {
                thread::yield_now();
            }
            // Time for the first wait to end.
            thread::sleep(Duration::from_millis(1));
            go_on.send(()).unwrap();
            assert_eq!(early.join().unwrap(), Ok(()), "{turn}");
            assert_eq!(late.join().unwrap(), Ok(()), "{turn}");
        });
    }
}
