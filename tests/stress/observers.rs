//! Observers that are attached and detached while threads send.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::iterations;
use fanfare::Signal;
use fanfare::watch::{
    self, ObservedReceiver, ObservedSend, Observer, ReceiverEnd, SendEnd, SendId,
};

/// An observer that keeps the sends of each thread in order, and notes a step out of order.
#[derive(Default)]
struct Whole {
    /// The sends that are open, whatever the attach that saw them.
    open: Mutex<BTreeMap<SendId, usize>>,
    seen: AtomicU64,
    faults: AtomicU64,
}

#[derive(Clone)]
struct Watcher(Arc<Whole>);

impl Observer for Watcher {
    fn send_started(&self, send: &ObservedSend<'_>) {
        let mut open = self.0.open.lock().unwrap();
        let twice = open.insert(send.id(), 0).is_some();
        self.0.faults.fetch_add(u64::from(twice), Ordering::Relaxed);
    }

    fn receiver_ended(
        &self,
        send: &ObservedSend<'_>,
        _receiver: &ObservedReceiver<'_>,
        _end: &ReceiverEnd,
    ) {
        match self.0.open.lock().unwrap().get_mut(&send.id()) {
            Some(receivers) => *receivers += 1,
            None => drop(self.0.faults.fetch_add(1, Ordering::Relaxed)),
        }
    }

    fn send_ended(&self, send: &ObservedSend<'_>, end: &SendEnd) {
        let receivers = self.0.open.lock().unwrap().remove(&send.id());
        let is_whole = receivers == Some(end.reached) && end.reached == WATCHED;
        self.0
            .faults
            .fetch_add(u64::from(!is_whole), Ordering::Relaxed);
        self.0.seen.fetch_add(1, Ordering::Relaxed);
    }

    fn wants_durations(&self) -> bool {
        false
    }
}

/// The number of receivers in the stress of observers.
const WATCHED: usize = 3;

/// An observer is attached and detached 1,000,000 times if `FAN_TOGGLES` says so, while two threads
/// send. Each send that it sees is whole, and a send on the attaching thread is seen exactly if the
/// observer is attached.
#[test]
fn toggles_of_an_observer_leave_no_send_half_seen() {
    let toggles = std::env::var("FAN_TOGGLES").map_or(20 * iterations(), |toggles| {
        toggles.parse().expect("a number of toggles")
    });
    let (signal, whole) = (Signal::<u32>::new(), Arc::new(Whole::default()));
    let own = Signal::<u32>::new();
    let count = Arc::new(AtomicU64::new(0));
    for signal in [&signal, &own] {
        for _ in 0..WATCHED {
            let count = count.clone();
            signal.connect(move |_sender, _id| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
    }
    let is_over = AtomicBool::new(false);
    let sends = AtomicU64::new(0);
    thread::scope(|scope| {
        for way in 0..2 {
            let (signal, is_over, sends) = (&signal, &is_over, &sends);
            scope.spawn(move || {
                let mut emitter = signal.emitter();
                let mut sent = 0;
                while !is_over.load(Ordering::Relaxed) {
                    match way {
                        0 => drop(signal.send(&1)),
                        _ => drop(emitter.send(&1)),
                    }
                    sent += 1;
                }
                sends.fetch_add(sent, Ordering::Relaxed);
            });
        }
        let exact = Arc::new(Whole::default());
        for toggle in 0..toggles {
            let watch = watch::signal(&signal, Watcher(whole.clone()));
            if toggle % 64 == 0 {
                let of_own = watch::signal(&own, Watcher(exact.clone()));
                own.send(&1);
                drop(of_own);
                own.send(&1);
                let seen = exact.seen.load(Ordering::Relaxed);
                assert_eq!(seen, 1 + toggle as u64 / 64);
            }
            drop(watch);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(
        whole.open.lock().unwrap().is_empty(),
        "a start without its end"
    );
    assert_eq!(whole.faults.load(Ordering::Relaxed), 0);
    let (seen, sends) = (
        whole.seen.load(Ordering::Relaxed),
        sends.load(Ordering::Relaxed),
    );
    assert!(seen <= sends);
    let of_own = 2 * toggles.div_ceil(64) as u64;
    let all = (sends + of_own) * WATCHED as u64;
    assert_eq!(
        count.load(Ordering::Relaxed),
        all,
        "each send calls each receiver"
    );
    println!("{toggles} toggles, {seen} of {sends} sends seen");
    // A change frees the last tables that have an observer.
    signal.connect(|_sender, _id| ());
    assert_eq!(Arc::strong_count(&whole), 1);
}
