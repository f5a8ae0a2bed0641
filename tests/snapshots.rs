//! The receivers that a send holds live as long as it runs, and are freed by the first change after
//! that: in nested sends, and on threads that end.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, Weak};
use std::thread;
use std::time::Duration;

use fanfare::{Connection, Signal};

/// More than any cell keeps without counting.
const DEEP: u64 = 40;

/// Each level sends to a table with a receiver that no other level's has.
#[test]
fn nested_sends_each_keep_their_table() {
    static SIGNAL: Signal<u64> = Signal::new();
    static OWN: Mutex<Vec<(Connection, Weak<()>)>> = Mutex::new(Vec::new());
    fn send(depth: u64) {
        let held = Arc::new(());
        let own = Arc::clone(&held);
        let connection = SIGNAL.connect(move |_sender, _depth| keep(&own));
        OWN.lock()
            .unwrap()
            .push((connection, Arc::downgrade(&held)));
        SIGNAL.send(&depth);
        SIGNAL.purge();
        assert_eq!(
            Arc::strong_count(&held),
            1,
            "held after the send of {depth}"
        );
    }
    SIGNAL.connect(|_sender, depth| {
        let (connection, own) = OWN.lock().unwrap().pop().unwrap();
        assert!(connection.disconnect());
        if *depth < DEEP {
            send(depth + 1);
        }
        SIGNAL.purge();
        assert_eq!(own.strong_count(), 2, "freed during the send of {depth}");
    });
    send(0);
}

#[test]
fn sends_of_two_signals_may_end_in_any_order() {
    static OUTER: Signal<()> = Signal::new();
    static INNER: Signal<()> = Signal::new();
    let (outer, inner) = (Arc::new(()), Arc::new(()));
    let own = Arc::clone(&inner);
    INNER.connect(move |_sender, ()| {
        assert_eq!(OUTER.disconnect_all(), 1);
        assert_eq!(INNER.disconnect_all(), 1);
        assert_eq!(Arc::strong_count(&own), 2);
    });
    let (own, watched) = (Arc::clone(&outer), Arc::downgrade(&inner));
    OUTER.connect(move |_sender, ()| {
        INNER.send(&());
        INNER.purge();
        assert_eq!(watched.strong_count(), 1, "held after the inner send");
        assert_eq!(Arc::strong_count(&own), 2);
    });
    OUTER.send(&());
    OUTER.purge();
    assert_eq!(Arc::strong_count(&outer), 1, "held after the outer send");
}

#[test]
fn threads_that_have_ended_keep_no_table() {
    static SIGNAL: Signal<()> = Signal::new();
    for round in 0..50 {
        let held = Arc::new(());
        let own = Arc::clone(&held);
        let connection = SIGNAL.connect(move |_sender, ()| drop(Arc::clone(&own)));
        let together = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    together.wait();
                    assert_eq!(SIGNAL.send(&()).len(), 1);
                });
            }
        });
        assert!(connection.disconnect());
        assert_eq!(Arc::strong_count(&held), 1, "round {round}");
    }
}

#[test]
fn a_thread_that_ends_may_send() {
    static SIGNAL: Signal<()> = Signal::new();
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    struct SendsAtEnd;
    impl Drop for SendsAtEnd {
        fn drop(&mut self) {
            assert_eq!(SIGNAL.send(&()).len(), 1);
        }
    }
    thread_local! {
        static EARLY: RefCell<Option<SendsAtEnd>> = const { RefCell::new(None) };
        static LATE: RefCell<Option<SendsAtEnd>> = const { RefCell::new(None) };
    }
    let held = Arc::new(());
    let own = Arc::clone(&held);
    let connection = SIGNAL.connect(move |_sender, ()| {
        CALLS.fetch_add(1, Ordering::Relaxed);
        drop(Arc::clone(&own));
    });
    let ending = thread::spawn(|| {
        // Destructors run in an order of their own: one on either side of the first send.
        EARLY.set(Some(SendsAtEnd));
        SIGNAL.send(&());
        LATE.set(Some(SendsAtEnd));
    });
    ending.join().unwrap();
    assert_eq!(CALLS.load(Ordering::Relaxed), 3);
    assert!(connection.disconnect());
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_wait_frees_the_receiver_when_the_send_that_holds_it_ends() {
    static SIGNAL: Signal<()> = Signal::new();
    let held = Arc::new(());
    let (entered, leaving) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (own, inside, leave) = (
        Arc::clone(&held),
        Arc::clone(&entered),
        Arc::clone(&leaving),
    );
    let connection = SIGNAL.connect(move |_sender, ()| {
        let _own = &own;
        inside.wait();
        leave.wait();
    });
    thread::scope(|scope| {
        let sending = scope.spawn(|| SIGNAL.send(&()).len());
        entered.wait();
        assert!(connection.disconnect());
        assert_eq!(Arc::strong_count(&held), 2);
        let wait = scope.spawn(|| connection.disconnect_and_wait(Duration::from_secs(60)));
        leaving.wait();
        assert_eq!(sending.join().unwrap(), 1);
        assert_eq!(wait.join().unwrap(), Ok(()));
    });
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_send_holds_one_table_whatever_changes() {
    static SIGNAL: Signal<()> = Signal::new();
    static LIVE: AtomicUsize = AtomicUsize::new(0);
    struct Live;
    impl Live {
        fn new() -> Self {
            LIVE.fetch_add(1, Ordering::Relaxed);
            Live
        }
    }
    impl Drop for Live {
        fn drop(&mut self) {
            LIVE.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let (entered, leaving) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (inside, leave, live) = (Arc::clone(&entered), Arc::clone(&leaving), Live::new());
    let waiting = SIGNAL.connect(move |_sender, ()| {
        let _live = &live;
        inside.wait();
        leave.wait();
    });
    thread::scope(|scope| {
        scope.spawn(|| SIGNAL.send(&()));
        entered.wait();
        waiting.disconnect();
        for _ in 0..1_000 {
            let live = Live::new();
            let connection = SIGNAL.connect(move |_sender, ()| keep(&live));
            assert_eq!(LIVE.load(Ordering::Relaxed), 2);
            connection.disconnect();
            assert_eq!(LIVE.load(Ordering::Relaxed), 1);
        }
        leaving.wait();
    });
    assert_eq!(LIVE.load(Ordering::Relaxed), 1, "a send frees nothing");
    SIGNAL.purge();
    assert_eq!(LIVE.load(Ordering::Relaxed), 0);
}

fn keep<T>(_held: &T) {}
