//! A queued receiver that a test holds by the hand.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use fanfare::{Connection, Queue, Signal, queue};

/// Reports the start of each event, waits for leave, and keeps it.
pub(crate) struct Gated {
    pub(crate) connection: Connection,
    started: Receiver<u32>,
    leave: Sender<()>,
    seen: Arc<Mutex<Vec<u32>>>,
}

impl Gated {
    pub(crate) fn connect<R: queue::Response + 'static>(
        signal: &Signal<u32, R>,
        queue: &Queue,
    ) -> Self {
        let (starts, started) = mpsc::channel();
        let (leave, may_leave) = mpsc::channel();
        let may_leave = Mutex::new(may_leave);
        let seen = Arc::<Mutex<Vec<u32>>>::default();
        let keeps = Arc::clone(&seen);
        let options = signal.options().name("gated").queued(queue);
        let connection = options.connect(move |_, event| {
            starts.send(*event).unwrap();
            may_leave.lock().unwrap().recv().unwrap();
            keeps.lock().unwrap().push(*event);
        });
        Gated {
            connection,
            started,
            leave,
            seen,
        }
    }

    /// Waits until it starts with an event, and returns the event.
    pub(crate) fn started(&self) -> u32 {
        self.started.recv().unwrap()
    }

    /// Permits it to finish `times` events.
    pub(crate) fn open(&self, times: usize) {
        for _ in 0..times {
            self.leave.send(()).unwrap();
        }
    }

    pub(crate) fn seen(&self) -> Vec<u32> {
        self.seen.lock().unwrap().clone()
    }
}

/// Asserts that the counters add up, while no thread sends.
pub(crate) fn assert_adds_up(stats: queue::Stats) {
    let inside = (stats.depth + stats.running) as u64;
    let out = stats.delivered + stats.dropped + stats.undelivered;
    assert_eq!(stats.pushed, out + inside, "{stats:?}");
    assert!(stats.panicked <= stats.delivered, "{stats:?}");
}
