//! A mute in a scope concerns what is caused inside it. Any mute concerns receivers that queues,
//! pools and tasks run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
#[cfg(feature = "queue")]
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fanfare::mute;
use fanfare::{Deferred, Signal};

#[test]
fn a_scope_follows_the_sends_of_its_receivers() {
    static SAVED: Signal<u32> = Signal::new();
    static INDEXED: Signal<u32> = Signal::new();
    static RAN: AtomicUsize = AtomicUsize::new(0);
    SAVED.connect(|_sender, id| {
        INDEXED.send(id);
    });
    INDEXED.connect(|_sender, _id| {
        RAN.fetch_add(1, Ordering::Relaxed);
    });
    let quiet = mute::signal(&INDEXED).in_a_scope();
    SAVED.send(&1);
    assert_eq!(RAN.load(Ordering::Relaxed), 1);
    quiet.enter(|| SAVED.send(&1));
    assert_eq!(RAN.load(Ordering::Relaxed), 1);
    // The thread leaves the scope, also by a panic.
    catch_unwind(AssertUnwindSafe(|| quiet.enter(|| panic!("expected")))).unwrap_err();
    SAVED.send(&1);
    assert_eq!(RAN.load(Ordering::Relaxed), 2);
}

#[test]
fn scopes_nest_in_any_order() {
    let [a, b] = [Signal::<u32>::new(), Signal::<u32>::new()];
    a.connect(|_sender, _id| ());
    b.connect(|_sender, _id| ());
    let reached = || (a.send(&1).len(), b.send(&1).len());
    let quiet_a = mute::signal(&a).in_a_scope();
    let quiet_b = mute::signal(&b).in_a_scope();
    let inside = quiet_a.enter(|| (reached(), quiet_b.enter(reached), reached()));
    assert_eq!(inside, ((0, 1), (0, 0), (0, 1)));
    let inside = quiet_b.enter(|| (reached(), quiet_a.enter(reached), reached()));
    assert_eq!(inside, ((1, 0), (0, 0), (1, 0)));
    assert_eq!(quiet_a.enter(|| quiet_a.enter(reached)), (0, 1));
    // A mute that ends while the thread is inside holds no longer.
    let outlived = mute::signal(&b).everywhere();
    let inside = quiet_a.enter(|| {
        let before = reached();
        drop(outlived);
        (before, reached())
    });
    assert_eq!(inside, ((0, 0), (0, 1)));
}

#[test]
fn a_scope_follows_a_deferred_event_to_its_commit() {
    let signal = Signal::<u32>::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&ran);
    signal.connect(move |_sender, _id| {
        counts.fetch_add(1, Ordering::Relaxed);
    });
    let quiet = mute::signal(&signal).in_a_scope();
    let mut deferred = Deferred::new();
    quiet.enter(|| deferred.record(&signal, 1));
    deferred.record(&signal, 2);
    thread::scope(|scope| {
        scope.spawn(|| deferred.commit());
    });
    assert_eq!(ran.load(Ordering::Relaxed), 1);
    // A mute of the process holds for the commit, and not for the record.
    let mut deferred = Deferred::new();
    let muted = mute::signal(&signal).everywhere();
    deferred.record(&signal, 3);
    drop(muted);
    deferred.commit();
    assert_eq!(ran.load(Ordering::Relaxed), 2);
    deferred.record(&signal, 4);
    let _muted = mute::signal(&signal).everywhere();
    assert!(deferred.commit_robust().all_ok());
    assert_eq!(ran.load(Ordering::Relaxed), 2);
}

#[cfg(feature = "queue")]
#[test]
fn a_scope_follows_an_event_through_a_queue_of_another_signal() {
    let saved = Signal::<u32>::new();
    let indexed = Arc::new(Signal::<u32>::new());
    let ran = Arc::new(Mutex::new(Vec::new()));
    let queue = fanfare::Queue::builder().build().unwrap();
    let target = Arc::clone(&indexed);
    let options = saved.options().queued(&queue);
    options.connect(move |_sender, id| {
        target.send(id);
    });
    let seen = Arc::clone(&ran);
    indexed.connect(move |_sender, id| seen.lock().unwrap().push(*id));
    let quiet = mute::signal(&indexed).in_a_scope();
    for id in 0..6 {
        if id % 2 == 0 {
            quiet.enter(|| saved.send(&id));
        } else {
            saved.send(&id);
        }
    }
    queue.flush().unwrap();
    assert_eq!(*ran.lock().unwrap(), [1, 3, 5]);
    // A mute on this thread does not concern the worker, which sends.
    let _muted = mute::signal(&indexed).on_this_thread();
    saved.send(&7);
    queue.flush().unwrap();
    assert_eq!(*ran.lock().unwrap(), [1, 3, 5, 7]);
}

#[cfg(feature = "queue")]
#[test]
fn a_muted_signal_gives_no_event_to_a_queue() {
    let signal = Signal::<u32>::new();
    let ran = Arc::new(Mutex::new(Vec::new()));
    let queue = fanfare::Queue::builder().build().unwrap();
    let seen = Arc::clone(&ran);
    let options = signal.options().queued(&queue);
    options.connect(move |_sender, id| seen.lock().unwrap().push(*id));
    signal.send(&1);
    let muted = mute::signal(&signal).everywhere();
    signal.send(&2);
    // The event that was sent before the mute is delivered.
    queue.flush().unwrap();
    drop(muted);
    signal.send(&3);
    queue.flush().unwrap();
    assert_eq!(*ran.lock().unwrap(), [1, 3]);
}

#[cfg(feature = "rayon")]
#[test]
fn a_scope_follows_a_send_to_a_pool() {
    let outer = Signal::<u32, usize>::new();
    let inner = Arc::new(Signal::<u32>::new());
    inner.connect(|_sender, _id| ());
    for _ in 0..4 {
        let inner = Arc::clone(&inner);
        outer.connect(move |_sender, id| inner.send(id).len());
    }
    let quiet = mute::signal(&*inner).in_a_scope();
    assert_eq!(*outer.send_parallel(&1), [1; 4]);
    assert_eq!(*quiet.enter(|| outer.send_parallel(&1)), [0; 4]);
}

#[cfg(feature = "async")]
#[test]
fn a_scope_follows_a_future_and_its_receivers() {
    let outer = Signal::<u32, usize>::new();
    let inner = Arc::new(Signal::<u32>::new());
    inner.connect(|_sender, _id| ());
    let target = Arc::clone(&inner);
    outer.connect_async(move |_sender, id| {
        let (target, id) = (Arc::clone(&target), *id);
        Box::pin(async move {
            smol::future::yield_now().await;
            target.asend(&id).await.len()
        })
    });
    let quiet = mute::signal(&*inner).in_a_scope();
    pollster::block_on(async {
        let (outside, inside) = smol::future::zip(
            outer.asend(&1),
            quiet.follow(async { outer.asend(&1).await }),
        )
        .await;
        assert_eq!((&*outside, &*inside), (&[1][..], &[0][..]));
        assert!(inner.from("order").send(&1).len() == 1);
        // The future of an async send starts when it is polled, and so outside of `enter`.
        assert_eq!(quiet.enter(|| inner.asend(&1)).await.len(), 1);
    });
    assert!(!quiet.enter(|| outer.from("order").wants_asend()) || outer.has_listeners());
}

#[cfg(feature = "async")]
#[test]
fn wants_asend_does_not_count_muted_receivers() {
    let signal = Signal::<u32>::new();
    signal.connect_async(|_sender, _id| Box::pin(async {}));
    assert!(signal.from("order").wants_asend());
    let _muted = mute::signal(&signal).everywhere();
    assert!(!signal.from("order").wants_asend());
}

#[cfg(feature = "tokio")]
#[test]
fn a_muted_async_receiver_refuses_no_send_on_an_executor() {
    let signal = Signal::<u32, u32>::new();
    signal.connect_async(|_sender, id| Box::pin(async move { *id }));
    let named = signal.options().tag("tap::awaited");
    named.connect(|_sender, id| *id);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let send = || catch_unwind(AssertUnwindSafe(|| signal.send(&1).len()));
        let commit = || {
            let mut deferred = Deferred::new();
            deferred.record(&signal, 1);
            catch_unwind(AssertUnwindSafe(|| deferred.commit()))
        };
        assert!(send().is_err() && commit().is_err());
        let other = mute::tag("tap::awaited").everywhere();
        assert!(send().is_err());
        drop(other);
        let awaited = mute::signal(&signal).on_this_thread();
        assert_eq!((send().unwrap(), commit().unwrap()), (0, 1));
        drop(awaited);
        assert!(send().is_err());
    });
}
