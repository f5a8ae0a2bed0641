//! Receivers on a queue: their events, the order, and the wait of a flush.
#![cfg(feature = "queue")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::queue_gate::{Gated, assert_adds_up};
use fanfare::error::WaitError;
use fanfare::{Connection, Event, Identity, Queue, Sender, Signal, queue};

#[test]
fn one_worker_delivers_in_the_order_of_sending() {
    let queue = Queue::bounded(16).unwrap();
    let (first, second) = (Signal::<u32>::new(), Signal::<u32>::new());
    let seen = Arc::<Mutex<Vec<(char, u32)>>>::default();
    let keep = |name| {
        let seen = Arc::clone(&seen);
        move |_: Sender<'_>, event: &u32| seen.lock().unwrap().push((name, *event))
    };
    first.options().queued(&queue).connect(keep('a'));
    first
        .options()
        .priority(1)
        .queued(&queue)
        .connect(keep('b'));
    second.options().queued(&queue).connect(keep('c'));
    for event in 0..100 {
        first.send(&event);
        second.from(Sender::key(u128::from(event))).send(&event);
    }
    queue.flush().unwrap();
    let expected = (0..100).flat_map(|event| [('b', event), ('a', event), ('c', event)]);
    assert_eq!(*seen.lock().unwrap(), Vec::from_iter(expected));
    assert_adds_up(queue.stats());
    assert_eq!(queue.delivered(), 300);
}

#[test]
fn several_workers_keep_the_order_of_each_receiver_and_sender() {
    const SENDERS: u64 = 8;
    const EVENTS: u32 = 500;
    let queue = Queue::builder().workers(3).capacity(4).build().unwrap();
    let signal = Signal::<u32>::new();
    let seen = Arc::<Mutex<BTreeMap<(usize, u128), Vec<u32>>>>::default();
    for receiver in 0..2 {
        for key in 0..SENDERS {
            let seen = Arc::clone(&seen);
            let key = u128::from(key);
            let options = signal.options().sender(key).queued(&queue);
            options.connect(move |sender, event| {
                assert_eq!(sender, Sender::key(key));
                let mut seen = seen.lock().unwrap();
                seen.entry((receiver, key)).or_default().push(*event);
            });
        }
    }
    thread::scope(|threads| {
        for key in 0..SENDERS {
            let signal = &signal;
            threads
                .spawn(move || (0..EVENTS).for_each(|event| drop(signal.from(key).send(&event))));
        }
    });
    queue.flush().unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2 * SENDERS as usize);
    for (key, events) in &*seen {
        assert!(events.iter().copied().eq(0..EVENTS), "{key:?}: {events:?}");
    }
    assert_adds_up(queue.stats());
}

#[test]
fn several_workers_run_one_receiver_for_different_senders_at_a_time() {
    let queue = Queue::builder().workers(2).build().unwrap();
    let signal = Signal::<u32>::new();
    let both = Arc::new(Barrier::new(2));
    let meets = Arc::clone(&both);
    let (told, tells) = mpsc::channel();
    signal.options().queued(&queue).connect(move |sender, _| {
        told.send(format!("{sender}")).unwrap();
        meets.wait();
    });
    // Each blocks its worker until another worker has one as well: 64 senders are not all
    // of one worker, or the number of tries at this test is astronomical.
    for key in 0..64_u64 {
        signal.from(key).send(&0);
    }
    let met = [tells.recv().unwrap(), tells.recv().unwrap()];
    assert_ne!(met[0], met[1]);
    // The rest may be one short of pairs, or of one worker.
    drop(signal);
    let released = Arc::clone(&both);
    thread::spawn(move || {
        loop {
            released.wait();
        }
    });
    queue.flush().unwrap();
    assert_eq!(queue.delivered(), 64);
}

#[test]
fn receivers_get_the_sender() {
    let queue = Queue::bounded(16).unwrap();
    let signal = Signal::<u32>::new();
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let keeps = Arc::clone(&seen);
    let options = signal.options().queued(&queue);
    options.connect(move |sender, _| keeps.lock().unwrap().push(format!("{sender:?}")));
    let identity = Identity::new();
    let name = String::from("shop");
    let senders = [
        Sender::NONE,
        Sender::of::<Queue>(),
        Sender::named(&name),
        Sender::key(7),
        Sender::identity(&identity),
    ];
    let expected = senders.map(|sender| format!("{sender:?}"));
    for sender in senders {
        signal.from(sender).send(&1);
    }
    drop((identity, name));
    queue.flush().unwrap();
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// Counts its clones.
struct Parcel {
    clones: Arc<AtomicUsize>,
}

impl Clone for Parcel {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::Relaxed);
        Parcel {
            clones: Arc::clone(&self.clones),
        }
    }
}

impl Event for Parcel {
    type Args<'a> = Parcel;
}

#[test]
fn the_event_is_cloned_once_for_all_queued_receivers_of_a_send() {
    let signal = Signal::<Parcel>::new();
    signal.connect(|_, _| ());
    let clones = Arc::<AtomicUsize>::default();
    let parcel = Parcel {
        clones: Arc::clone(&clones),
    };
    signal.send(&parcel);
    assert_eq!(clones.load(Ordering::Relaxed), 0, "nobody is queued");
    let queues = [Queue::bounded(16).unwrap(), Queue::bounded(16).unwrap()];
    let addresses = Arc::<Mutex<Vec<usize>>>::default();
    for queue in queues.iter().cycle().take(4) {
        let addresses = Arc::clone(&addresses);
        let options = signal.options().queued(queue);
        options.connect(move |_, parcel| {
            addresses
                .lock()
                .unwrap()
                .push(std::ptr::from_ref(parcel).addr());
        });
    }
    signal.send(&parcel);
    queues.iter().for_each(|queue| queue.flush().unwrap());
    assert_eq!(clones.load(Ordering::Relaxed), 1);
    let addresses = addresses.lock().unwrap();
    assert_eq!(*addresses, [addresses[0]; 4]);
    // A thread that flushed finds the event dropped.
    drop(signal);
    assert_eq!(Arc::strong_count(&clones), 2);
}

#[test]
fn every_way_of_sending_reaches_a_queue() {
    let queue = Queue::bounded(16).unwrap();
    let signal = Signal::<u32, Result<(), queue::Error>>::new();
    let seen = Arc::<Mutex<Vec<u32>>>::default();
    let keeps = Arc::clone(&seen);
    let options = signal.options().queued(&queue);
    options.connect(move |_, event| keeps.lock().unwrap().push(*event));
    assert_eq!(*signal.send(&0), [Ok(())]);
    assert_eq!(**signal.send_robust(&1).responses(), [Ok(())]);
    assert_eq!(*signal.send_until_err(&2).unwrap(), [()]);
    assert!(signal.send_until(&3, Result::is_ok).is_some());
    let mut responses = 0;
    let _ = signal.send_each(&4, |_, response| {
        responses += usize::from(response.is_ok());
        ControlFlow::<()>::Continue(())
    });
    assert_eq!(responses, 1);
    let mut emitter = signal.emitter();
    assert_eq!(*emitter.send(&5), [Ok(())]);
    queue.flush().unwrap();
    assert_eq!(*seen.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn receivers_called_at_once_run_before_the_send_returns() {
    let queue = Queue::bounded(16).unwrap();
    let signal = Signal::<u32, Option<u32>>::new();
    let gated = Gated::connect(&signal, &queue);
    signal.connect(|_, event| Some(event + 1));
    assert_eq!(*signal.send(&1), [None, Some(2)]);
    assert_eq!(gated.seen(), []);
    gated.open(1);
    queue.flush().unwrap();
    assert_eq!(gated.seen(), [1]);
}

#[test]
fn a_flush_waits_for_the_events_that_were_sent_before_and_no_longer() {
    let queue = Queue::bounded(16).unwrap();
    let signal = Signal::<u32>::new();
    let gated = Gated::connect(&signal, &queue);
    for event in 0..3 {
        signal.send(&event);
    }
    let timeout = queue.flush_timeout(Duration::ZERO).unwrap_err();
    assert!(
        matches!(timeout, queue::WaitError::Timeout { .. }),
        "{timeout:?}"
    );
    assert!(
        timeout
            .to_string()
            .contains("had undelivered events after 0ns")
    );
    gated.open(3);
    queue.flush().unwrap();
    assert_eq!(gated.seen(), [0, 1, 2]);
    assert_eq!(queue.depth(), 0);
}

#[test]
fn many_threads_flush_at_a_time() {
    let queue = Queue::builder().workers(2).capacity(4).build().unwrap();
    let signal = Signal::<u32>::new();
    let seen = Arc::new(Vec::from_iter((0..4_000).map(|_| AtomicUsize::new(0))));
    let counts = Arc::clone(&seen);
    signal.options().queued(&queue).connect(move |_, event| {
        counts[*event as usize].fetch_add(1, Ordering::Relaxed);
    });
    thread::scope(|threads| {
        for thread in 0..4 {
            let (queue, signal, seen) = (&queue, &signal, &seen);
            threads.spawn(move || {
                for event in thread * 1_000..(thread + 1) * 1_000 {
                    signal.from(u64::from(event % 5)).send(&event);
                    if event % 7 == 0 {
                        queue.flush().unwrap();
                        let seen = seen[event as usize].load(Ordering::Relaxed);
                        assert_eq!(seen, 1, "flushed, and not delivered");
                    }
                }
            });
        }
    });
    queue.flush().unwrap();
    assert!(seen.iter().all(|count| count.load(Ordering::Relaxed) == 1));
}

#[test]
fn a_receiver_may_send_to_its_own_queue() {
    let queue = Queue::bounded(16).unwrap();
    let signal = Arc::new(Signal::<u32>::new());
    let again = Arc::downgrade(&signal);
    let (told, tells) = mpsc::channel();
    signal.options().queued(&queue).connect(move |_, event| {
        if let Some(signal) = again.upgrade().filter(|_| *event > 0) {
            signal.send(&(event - 1));
        }
        told.send(*event).unwrap();
    });
    signal.send(&3);
    assert_eq!(Vec::from_iter(tells.iter().take(4)), [3, 2, 1, 0]);
    queue.flush().unwrap();
    assert_eq!(queue.delivered(), 4);
}

#[test]
fn a_receiver_must_not_wait_for_its_own_queue() {
    let queue = Queue::bounded(16).unwrap();
    let signal = Signal::<u32>::new();
    let its = queue.clone();
    let (told, tells) = mpsc::channel();
    signal.options().queued(&queue).connect(move |_, _| {
        let shutdown = its.shutdown(Duration::MAX).unwrap_err();
        told.send((its.flush(), its.flush_timeout(Duration::MAX), shutdown))
            .unwrap();
    });
    signal.send(&0);
    let (flush, flush_timeout, shutdown) = tells.recv().unwrap();
    for error in [flush.unwrap_err(), flush_timeout.unwrap_err(), shutdown] {
        assert!(
            matches!(error, queue::WaitError::InsideWorker { .. }),
            "{error:?}"
        );
        assert!(
            error.to_string().contains("would wait for itself"),
            "{error}"
        );
    }
    assert!(!queue.is_closed());
}

#[test]
fn a_disconnected_receiver_gets_the_queued_events() {
    let queue = Queue::bounded(16).unwrap();
    let signal = Signal::<u32>::new();
    let gated = Gated::connect(&signal, &queue);
    for event in 0..3 {
        signal.send(&event);
    }
    assert_eq!(gated.started(), 0);
    let refused = gated.connection.disconnect_and_wait(Duration::ZERO);
    assert!(
        matches!(refused, Err(WaitError::Timeout { .. })),
        "{refused:?}"
    );
    assert!(!gated.connection.is_connected());
    signal.send(&3);
    gated.open(3);
    assert_eq!(gated.connection.disconnect_and_wait(Duration::MAX), Ok(()));
    assert_eq!(gated.seen(), [0, 1, 2]);
}

#[test]
fn a_receiver_cannot_wait_for_itself_to_be_gone() {
    let queue = Queue::bounded(16).unwrap();
    let signal = Signal::<u32>::new();
    let own = Arc::<Mutex<Option<Connection>>>::default();
    let its = Arc::clone(&own);
    let (told, tells) = mpsc::channel();
    let connection = signal.options().queued(&queue).connect(move |_, _| {
        let own = its.lock().unwrap().take().unwrap();
        told.send(own.disconnect_and_wait(Duration::MAX)).unwrap();
    });
    *own.lock().unwrap() = Some(connection);
    signal.send(&0);
    assert_eq!(tells.recv().unwrap(), Err(WaitError::InsideSend));
}

#[test]
fn a_panic_costs_the_queue_only_that_event() {
    let queue = Queue::bounded(16).unwrap();
    let signal = Signal::<u32>::new();
    let seen = Arc::<Mutex<Vec<u32>>>::default();
    let keeps = Arc::clone(&seen);
    signal.options().queued(&queue).connect(move |_, event| {
        assert!(event % 2 == 1, "an even one, on purpose");
        keeps.lock().unwrap().push(*event);
    });
    for event in 0..6 {
        signal.send(&event);
    }
    queue.flush().unwrap();
    assert_eq!(*seen.lock().unwrap(), [1, 3, 5]);
    assert_eq!((queue.delivered(), queue.panicked()), (6, 3));
    assert_adds_up(queue.stats());
}

#[test]
fn workers_have_the_name_of_their_queue() {
    let queue = Queue::builder().name("mail").build().unwrap();
    let signal = Signal::<u32>::new();
    let (told, tells) = mpsc::channel();
    let tell = move || told.send(thread::current().name().map(String::from));
    #[cfg(feature = "async")]
    signal.options().queued(&queue).connect_async({
        let tell = tell.clone();
        move |_, _| {
            let sent = tell();
            Box::pin(async { sent.unwrap() })
        }
    });
    signal
        .options()
        .queued(&queue)
        .connect(move |_, _| tell().unwrap());
    let count = signal.send(&0).len();
    for _ in 0..count {
        assert_eq!(tells.recv().unwrap().as_deref(), Some("mail-0"));
    }
}

#[test]
fn queues_pass_between_threads_and_through_panics() {
    fn assert_fit<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    assert_fit::<Queue>();
    assert_fit::<fanfare::queue::Builder>();
    fn assert_sent<T: Send + Sync>() {}
    assert_sent::<fanfare::queue::ShutdownReport>();
    assert_sent::<queue::Error>();
    assert_sent::<queue::WaitError>();
}
