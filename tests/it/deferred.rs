//! Deferred events are sent by the commit, in the order of recording, or not at all.

use std::cell::RefCell;
use std::error::Error;
use std::fmt::Debug;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

use fanfare::deferred::{CommitReport, Savepoint, SavepointError};
use fanfare::{Deferred, Event, Identity, Sender, Signal};
use static_assertions::{assert_impl_all, assert_not_impl_any};

assert_impl_all!(Deferred<'static>: Send, Debug, Default, Unpin);
assert_not_impl_any!(Deferred<'static>: Clone);
assert_impl_all!(Savepoint: Send, Sync, Copy, Eq, std::hash::Hash, Debug);
assert_impl_all!(SavepointError: Send, Sync, Copy, Eq, Error);
assert_impl_all!(CommitReport: Send, Debug);

type Log = Arc<Mutex<Vec<String>>>;

/// Notes each event with its sender and a name of the signal's own.
fn noting(log: &Log, signal: &'static str) -> impl Fn(Sender<'_>, &u32) + Send + Sync + 'static {
    let log = Arc::clone(log);
    move |sender, event| {
        log.lock()
            .unwrap()
            .push(format!("{signal} {event} {sender}"))
    }
}

fn noted(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.lock().unwrap())
}

#[test]
fn a_commit_sends_all_events_in_the_order_of_recording_and_not_before() {
    let (log, saved, closed) = (Log::default(), Signal::<u32>::new(), Signal::<u32>::new());
    saved.connect(noting(&log, "saved"));
    closed.connect(noting(&log, "closed"));

    let mut deferred = Deferred::new();
    assert!(deferred.is_empty());
    deferred.record(saved.from("till"), 3);
    deferred.record(&closed, 1);
    deferred.record(saved.from(9_u64), 2);
    deferred.record(saved.from("till"), 3);
    assert_eq!(deferred.len(), 4);
    assert_eq!(noted(&log), [""; 0]);

    assert_eq!(deferred.commit(), 4);
    assert_eq!(
        noted(&log),
        [
            "saved 3 \"till\"",
            "closed 1 no sender",
            "saved 2 key 9",
            "saved 3 \"till\""
        ]
    );
    assert!(deferred.is_empty());
    assert_eq!(deferred.commit(), 0);
    assert_eq!(noted(&log), [""; 0]);
}

#[test]
fn a_robust_commit_keeps_the_order_too() {
    let (log, saved) = (Log::default(), Signal::<u32>::new());
    saved.connect(noting(&log, "saved"));
    let mut deferred = Deferred::new();
    for event in [5, 3, 4] {
        deferred.record(&saved, event);
    }
    let report = deferred.commit_robust();
    assert!(report.all_ok());
    assert_eq!((report.sent(), report.panics().len()), (3, 0));
    assert_eq!(
        noted(&log),
        [
            "saved 5 no sender",
            "saved 3 no sender",
            "saved 4 no sender"
        ]
    );
}

#[test]
fn neither_a_drop_nor_a_rollback_sends_anything() {
    let (log, saved) = (Log::default(), Signal::<u32>::new());
    saved.connect(noting(&log, "saved"));

    let mut dropped = Deferred::new();
    dropped.record(&saved, 1);
    drop(dropped);

    let mut deferred = Deferred::new();
    deferred.record(&saved, 2);
    let _ = deferred.savepoint();
    deferred.record_coalesced(&saved, 3, "key");
    deferred.rollback();
    assert_eq!(deferred.len(), 0);
    assert_eq!(deferred.commit(), 0);
    assert_eq!(noted(&log), [""; 0]);

    deferred.record(&saved, 4);
    assert_eq!(deferred.commit(), 1);
    assert_eq!(noted(&log), ["saved 4 no sender"], "it can be used again");
}

#[test]
fn the_receivers_are_those_of_the_commit() {
    let (log, saved) = (Log::default(), Signal::<u32>::new());
    let early = saved.connect(noting(&log, "early"));
    let mut deferred = Deferred::new();
    deferred.record(saved.from("till"), 1);
    early.disconnect();
    saved.options().sender("till").connect(noting(&log, "late"));
    saved
        .options()
        .sender("shop")
        .connect(noting(&log, "other"));
    deferred.commit();
    assert_eq!(noted(&log), ["late 1 \"till\""]);
}

#[test]
fn every_kind_of_sender_is_kept() {
    struct Till;
    let (log, saved) = (Log::default(), Signal::<u32>::new());
    let (door, window) = (Identity::new(), Identity::new());
    saved
        .options()
        .sender(Sender::of::<Till>())
        .connect(noting(&log, "type"));
    saved.options().sender("till").connect(noting(&log, "name"));
    saved
        .options()
        .sender(u128::MAX)
        .connect(noting(&log, "key"));
    saved
        .options()
        .sender(&door)
        .connect(noting(&log, "identity"));

    let mut deferred = Deferred::new();
    deferred.record(saved.from(Sender::of::<Till>()), 1);
    deferred.record(saved.from(&String::from("till")), 2);
    deferred.record(saved.from(u128::MAX), 3);
    deferred.record(saved.from(&door), 4);
    deferred.record(saved.from(&window), 5);
    deferred.record(&saved, 6);
    deferred.commit();
    assert_eq!(
        noted(&log),
        [
            format!("type 1 {}", Sender::of::<Till>()),
            "name 2 \"till\"".to_owned(),
            format!("key 3 {}", Sender::key(u128::MAX)),
            format!("identity 4 {}", door.sender()),
        ]
    );
}

#[test]
fn an_identity_that_died_reaches_the_receivers_for_any_sender() {
    let (log, saved) = (Log::default(), Signal::<u32>::new());
    let door = Identity::new();
    let name = door.sender().to_string();
    saved.connect(noting(&log, "any"));
    saved.options().sender(&door).connect(noting(&log, "own"));
    let mut deferred = Deferred::new();
    deferred.record(saved.from(&door), 1);
    drop(door);
    assert_eq!(saved.receiver_count(), 1);
    deferred.commit();
    assert_eq!(noted(&log), [format!("any 1 {name}")]);
}

/// Whatever the event may borrow in a send, here it borrows what lives forever.
#[test]
fn an_event_may_borrow_a_static() {
    struct Renamed<'a> {
        from: &'a str,
        to: String,
    }
    impl Event for Renamed<'static> {
        type Args<'a> = Renamed<'a>;
    }
    static RENAMED: Signal<Renamed<'static>> = Signal::new();
    static NAMED: Signal<&'static str> = Signal::new();
    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    RENAMED.connect(|_, event| {
        SEEN.lock()
            .unwrap()
            .push(format!("{} {}", event.from, event.to))
    });
    NAMED.connect(|_, name| SEEN.lock().unwrap().push((*name).to_owned()));

    let mut deferred = Deferred::new();
    let to = String::from("Emma");
    deferred.record(&RENAMED, Renamed { from: "Jane", to });
    deferred.record(&NAMED, "Ada");
    deferred.commit();
    assert_eq!(*SEEN.lock().unwrap(), ["Jane Emma", "Ada"]);
}

#[test]
fn each_response_is_dropped_before_the_next_receiver_runs() {
    struct Response(Arc<AtomicUsize>);
    impl Drop for Response {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let responses = Arc::new(AtomicUsize::new(0));
    let asked = Signal::<(), Response>::new();
    for _ in 0..3 {
        let responses = Arc::clone(&responses);
        asked.connect(move |_, ()| {
            assert_eq!(responses.fetch_add(1, Ordering::Relaxed), 0);
            Response(Arc::clone(&responses))
        });
    }
    let mut deferred = Deferred::new();
    deferred.record(&asked, ());
    assert_eq!(deferred.commit(), 1);
    assert_eq!(responses.load(Ordering::Relaxed), 0);
}

#[test]
fn receivers_may_send_and_record_elsewhere_during_a_commit() {
    static SAVED: Signal<u32> = Signal::new();
    static INDEXED: Signal<u32> = Signal::new();
    static LATER: Mutex<Option<Deferred<'static>>> = Mutex::new(None);
    static SEEN: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    *LATER.lock().unwrap() = Some(Deferred::new());
    SAVED.connect(|sender, event| {
        INDEXED.from(sender).send(&(event + 10));
        let mut later = LATER.lock().unwrap();
        later
            .as_mut()
            .unwrap()
            .record(INDEXED.from(sender), event + 20);
    });
    INDEXED.connect(|_, event| SEEN.lock().unwrap().push(*event));

    let mut deferred = Deferred::new();
    deferred.record(&SAVED, 1);
    deferred.record(&SAVED, 2);
    assert_eq!(deferred.commit(), 2);
    assert_eq!(*SEEN.lock().unwrap(), [11, 12]);
    let mut later = LATER.lock().unwrap().take().unwrap();
    assert_eq!(later.commit(), 2);
    assert_eq!(*SEEN.lock().unwrap(), [11, 12, 21, 22]);
}

/// The way that the documentation describes for a buffer in a mutex.
#[test]
fn a_buffer_that_is_taken_out_may_be_recorded_into_meanwhile() {
    static SAVED: Signal<u32> = Signal::new();
    static SHARED: OnceLock<Mutex<Deferred<'static>>> = OnceLock::new();
    let shared = SHARED.get_or_init(Mutex::default);
    SAVED.connect(|sender, event| {
        if *event < 3 {
            let shared = SHARED.get().unwrap();
            shared.lock().unwrap().record(SAVED.from(sender), event + 1);
        }
    });
    shared.lock().unwrap().record(&SAVED, 1);
    let mut commits = 0;
    loop {
        let mut taken = std::mem::take(&mut *shared.lock().unwrap());
        if taken.commit() == 0 {
            break;
        }
        commits += 1;
    }
    assert_eq!(commits, 3);
}

#[test]
fn a_commit_runs_on_the_thread_that_calls_it_whichever_recorded() {
    static SAVED: Signal<u32> = Signal::new();
    static RAN: Mutex<Vec<(u32, thread::ThreadId)>> = Mutex::new(Vec::new());
    SAVED.connect(|_, event| RAN.lock().unwrap().push((*event, thread::current().id())));

    let mut deferred = Deferred::new();
    deferred.record(SAVED.from("main"), 1);
    let savepoint = deferred.savepoint();
    let (to_worker, at_worker) = mpsc::channel::<Deferred<'static>>();
    let (to_main, at_main) = mpsc::channel::<Deferred<'static>>();
    let worker = thread::spawn(move || {
        let mut deferred = at_worker.recv().unwrap();
        deferred.record(SAVED.from("worker"), 2);
        to_main.send(deferred).unwrap();
        let mut deferred = at_worker.recv().unwrap();
        (deferred.commit(), thread::current().id())
    });
    to_worker.send(deferred).unwrap();
    let mut deferred = at_main.recv().unwrap();
    deferred.rollback_to(savepoint).unwrap();
    deferred.record(SAVED.from("main"), 3);
    to_worker.send(deferred).unwrap();
    let (delivered, worker) = worker.join().unwrap();
    assert_eq!(delivered, 2);
    assert_eq!(*RAN.lock().unwrap(), [(1, worker), (3, worker)]);
}

/// Pending once.
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

static STEPPED: Signal<u32> = Signal::new();

async fn transaction(fails: bool) -> usize {
    let mut deferred = Deferred::new();
    deferred.record(STEPPED.from("async"), 1);
    let savepoint = deferred.savepoint();
    Yield(false).await;
    deferred.record(STEPPED.from("async"), 2);
    Yield(false).await;
    if fails {
        deferred.rollback_to(savepoint).unwrap();
    }
    deferred.commit()
}

#[test]
fn a_buffer_is_held_across_awaits_and_each_poll_may_be_on_another_thread() {
    fn assert_send<F: Future + Send>(future: F) -> F {
        future
    }
    for (fails, expected) in [(false, 2), (true, 1)] {
        let mut future = Box::pin(assert_send(transaction(fails)));
        let mut pending = 0;
        let delivered = loop {
            let polled = thread::scope(|scope| {
                let poll = || {
                    future
                        .as_mut()
                        .poll(&mut Context::from_waker(Waker::noop()))
                };
                scope.spawn(poll).join().unwrap()
            });
            match polled {
                Poll::Ready(delivered) => break delivered,
                Poll::Pending => pending += 1,
            }
        };
        assert_eq!((delivered, pending), (expected, 2));
    }
}

#[test]
fn a_future_that_is_dropped_half_way_sends_no_event() {
    static SAVED: Signal<u32> = Signal::new();
    static RAN: AtomicUsize = AtomicUsize::new(0);
    SAVED.connect(|_, _| {
        RAN.fetch_add(1, Ordering::Relaxed);
    });
    {
        let future = pin!(async {
            let mut deferred = Deferred::new();
            deferred.record(SAVED.from("async"), 1);
            Yield(false).await;
            deferred.commit();
        });
        let mut context = Context::from_waker(Waker::noop());
        assert!(future.poll(&mut context).is_pending());
    }
    assert_eq!(RAN.load(Ordering::Relaxed), 0);
}

/// A buffer does not see the events of another thread's buffer, nor the other way round.
#[test]
fn two_buffers_are_independent_of_one_another() {
    thread_local! {
        static SEEN: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    }
    let saved = Signal::<u32>::new();
    saved.connect(|_, event| SEEN.with_borrow_mut(|seen| seen.push(*event)));
    let (mut left, mut right) = (Deferred::new(), Deferred::new());
    left.record_coalesced(saved.from("same"), 1, 7);
    right.record_coalesced(saved.from("same"), 2, 7);
    let _ = left.savepoint();
    right.rollback();
    assert_eq!((left.len(), right.len()), (1, 0));
    left.commit();
    assert_eq!(SEEN.take(), [1]);
}

#[test]
fn debug_lists_the_events_that_a_commit_would_deliver() {
    let (saved, named) = (Signal::<u32>::new(), Signal::<&'static str>::new());
    let mut deferred = Deferred::new();
    assert_eq!(
        format!("{deferred:?}"),
        "Deferred { events: [], open_savepoints: 0 }"
    );
    deferred.record(saved.from("till"), 1);
    deferred.record_coalesced(named.from(7_u64), "first", 1);
    let _ = deferred.savepoint();
    let inner = deferred.savepoint();
    deferred.record_coalesced(named.from(7_u64), "second", 1);
    deferred.record(&saved, 1);
    assert_eq!(
        format!("{deferred:?}"),
        "Deferred { events: [u32 from \"till\", &str from key 7, u32 from no sender], \
         open_savepoints: 2 }"
    );
    deferred.rollback_to(inner).unwrap();
    assert_eq!(
        format!("{deferred:?}"),
        "Deferred { events: [u32 from \"till\", &str from key 7], open_savepoints: 2 }"
    );
}
