//! The models, over whichever `line` and `sync` the world around this has.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize as PlainCount, Ordering};
use std::sync::{Arc, Mutex as PlainMutex};

use super::line::{Line, Overflow, Pushed, Refusal};
use super::sync::{Condvar, Ground, Mutex, Spawned, lock, spawn, wait};
use crate::harness::Model;

macro_rules! models {
    ($($(#[$doc:meta])* $name:ident -> [$($outcome:literal),* $(,)?] $body:block)*) => {
        $($(#[$doc])*
        pub(crate) fn $name() -> Model {
            Model {
                name: stringify!($name),
                outcomes: &[$($outcome),*],
                run: || String::from($body),
            }
        })*
    };
}

/// A number, and what goes with it through the line and into the receiver.
type Item = usize;
/// Items there are at most.
const ITEMS: usize = 4;

/// A line with its worker, and the fate of each item, recorded outside the model's own memory.
#[derive(Clone)]
struct Queue(Arc<Parts>);

struct Parts {
    line: Line<Item>,
    overflow: Overflow,
    /// The data that the receiver uses, for each item.
    used: [Ground; ITEMS],
    delivered: [PlainCount; ITEMS],
    /// The gate at which the worker may have to stop.
    gate: Gate,
    fates: PlainMutex<BTreeMap<Item, &'static str>>,
}

/// A gate that stops the worker at the first item until a thread opens it.
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(PartialEq)]
enum GateState {
    /// Nobody stops.
    None,
    Closed,
    /// The worker is there.
    Reached,
    Open,
}

impl Gate {
    fn pass(&self) {
        let mut state = lock(&self.state);
        if *state == GateState::Closed {
            *state = GateState::Reached;
            self.changed.notify_all();
        }
        while *state == GateState::Reached {
            state = wait(&self.changed, state, None);
        }
    }

    fn wait_reached(&self) {
        let mut state = lock(&self.state);
        while *state == GateState::Closed {
            state = wait(&self.changed, state, None);
        }
    }

    fn open(&self) {
        *lock(&self.state) = GateState::Open;
        self.changed.notify_all();
    }
}

impl Queue {
    fn new(capacity: usize, overflow: Overflow) -> (Self, Spawned<()>) {
        Queue::with_gate(capacity, overflow, GateState::None)
    }

    /// With item 0 in the hands of the worker, which does not come back before `open`.
    fn stuck(capacity: usize, overflow: Overflow) -> (Self, Spawned<()>) {
        let (queue, worker) = Queue::with_gate(capacity, overflow, GateState::Closed);
        assert_eq!(queue.push(0), "accepted");
        queue.0.gate.wait_reached();
        (queue, worker)
    }

    /// With two workers.
    fn shared(capacity: usize, overflow: Overflow) -> (Self, [Spawned<()>; 2]) {
        let queue = Queue::without_worker(capacity, overflow, GateState::None, 2);
        let work = || {
            let its = queue.clone();
            spawn(move || its.work())
        };
        let workers = [work(), work()];
        (queue, workers)
    }

    fn with_gate(capacity: usize, overflow: Overflow, gate: GateState) -> (Self, Spawned<()>) {
        let queue = Queue::without_worker(capacity, overflow, gate, 1);
        let its = queue.clone();
        let worker = spawn(move || its.work());
        (queue, worker)
    }

    fn without_worker(
        capacity: usize,
        overflow: Overflow,
        gate: GateState,
        workers: usize,
    ) -> Self {
        Queue(Arc::new(Parts {
            line: Line::new(Some(capacity), workers),
            overflow,
            used: std::array::from_fn(|_| Ground::new()),
            delivered: Default::default(),
            gate: Gate {
                state: Mutex::new(gate),
                changed: Condvar::new(),
            },
            fates: PlainMutex::default(),
        }))
    }

    fn work(&self) {
        while let Some((started, item)) = self.0.line.next() {
            self.0.gate.pass();
            self.0.used[item].write();
            self.0.delivered[item].fetch_add(1, Ordering::Relaxed);
            self.0.line.finish(started);
        }
    }

    /// Pushes the item, and returns the outcome that the sender sees.
    fn push(&self, item: Item) -> &'static str {
        self.push_or_wait(item, || true)
    }

    fn push_or_wait(&self, item: Item, may_wait: impl FnOnce() -> bool) -> &'static str {
        self.0.used[item].write();
        match self.0.line.push(item, self.0.overflow, may_wait) {
            Pushed::Accepted => "accepted",
            Pushed::Displaced { oldest, more } => {
                self.note(oldest, "dropped");
                more.into_iter().for_each(|item| self.note(item, "dropped"));
                "accepted"
            }
            Pushed::Dropped(item) => {
                self.note(item, "dropped");
                "accepted"
            }
            Pushed::Refused(why, item) => {
                let why = match why {
                    Refusal::Full => "full",
                    Refusal::Closed => "closed",
                    Refusal::WouldWait => "would wait",
                };
                self.note(item, why);
                why
            }
        }
    }

    /// Records the fate of an item that is not delivered.
    fn note(&self, item: Item, fate: &'static str) {
        let before = self.0.fates.lock().unwrap().insert(item, fate);
        assert_eq!(before, None, "item {item} came out twice");
    }

    fn fate(&self, item: Item) -> &'static str {
        let fates = self.0.fates.lock().unwrap();
        match (self.delivered(item), fates.get(&item)) {
            (0, None) => panic!("item {item} is lost"),
            (0, Some(fate)) => fate,
            (1, None) => "delivered",
            _ => panic!("item {item} came out twice"),
        }
    }

    fn delivered(&self, item: Item) -> usize {
        self.0.delivered[item].load(Ordering::Relaxed)
    }

    /// Uses the data of the item, as a thread may that knows the item is settled.
    fn take_over(&self, item: Item) {
        let dropped = self.0.fates.lock().unwrap().contains_key(&item);
        assert!(
            dropped || self.delivered(item) == 1,
            "item {item} was not dealt with"
        );
        self.0.used[item].write();
    }

    /// A shutdown without end.
    fn shut_down(&self) {
        self.0.line.close();
        assert!(self.0.line.wait_settled(None));
    }

    /// A shutdown without patience; whether the worker is still running something.
    fn give_up(&self) -> bool {
        self.0.line.close();
        let left_over = self.0.line.give_up();
        let in_order = left_over.items.is_sorted();
        assert!(in_order, "left over out of order: {:?}", left_over.items);
        for item in left_over.items {
            self.0.used[item].write();
            self.note(item, "undelivered");
        }
        left_over.running > 0
    }

    /// After the end: each item has come out once, and the counters say so.
    fn end(&self, worker: Spawned<()>, items: impl IntoIterator<Item = Item>) -> String {
        worker.join();
        let fates = Vec::from_iter(items.into_iter().map(|item| self.fate(item)));
        let count = |fate| fates.iter().filter(|other| **other == fate).count() as u64;
        let counts = self.0.line.counts();
        assert_eq!((counts.depth, counts.running), (0, 0));
        assert_eq!(counts.delivered, count("delivered"));
        assert_eq!(counts.dropped, count("dropped"));
        assert_eq!(counts.undelivered, count("undelivered"));
        assert_eq!(counts.rejected, count("closed") + count("full"));
        assert_eq!(counts.pushed + counts.rejected, fates.len() as u64);
        let skipped = fates.iter().skip_while(|fate| **fate != "undelivered");
        assert!(
            !skipped.into_iter().any(|fate| *fate == "delivered"),
            "delivered after one that was not: {fates:?}"
        );
        fates.join(", ")
    }
}

models! {
    /// A shutdown that waits meets two pushes: each is delivered or refused.
    push_vs_shutdown -> ["delivered, delivered", "delivered, closed", "closed, closed"] {
        let (queue, worker) = Queue::new(2, Overflow::Block);
        let its = queue.clone();
        let pushing = spawn(move || [its.push(0), its.push(1)]);
        queue.shut_down();
        let accepted = [queue.delivered(0), queue.delivered(1)];
        let told = pushing.join();
        for (item, told) in told.into_iter().enumerate() {
            assert_eq!(accepted[item] == 1, told == "accepted", "settled before it was delivered");
            queue.take_over(item);
        }
        queue.end(worker, 0..2)
    }

    /// The same with two workers on the line: both end.
    two_workers_vs_shutdown -> ["delivered, delivered", "delivered, closed", "closed, closed"] {
        let (queue, [first, second]) = Queue::shared(2, Overflow::Block);
        let its = queue.clone();
        let pushing = spawn(move || [its.push(0), its.push(1)]);
        queue.shut_down();
        let accepted = [queue.delivered(0), queue.delivered(1)];
        let told = pushing.join();
        for (item, told) in told.into_iter().enumerate() {
            assert_eq!(accepted[item] == 1, told == "accepted", "settled before it was delivered");
            queue.take_over(item);
        }
        second.join();
        queue.end(first, 0..2)
    }

    /// A shutdown that does not wait meets two workers that run an item each.
    two_workers_vs_giving_up -> ["delivered, delivered", "delivered, undelivered",
        "undelivered, delivered", "undelivered, undelivered"] {
        let (queue, [first, second]) = Queue::shared(2, Overflow::Block);
        assert_eq!(queue.push(0), "accepted");
        assert_eq!(queue.push(1), "accepted");
        queue.0.line.close();
        let left_over = queue.0.line.give_up();
        let out = left_over.items.len();
        for item in left_over.items {
            queue.0.used[item].write();
            queue.note(item, "undelivered");
        }
        first.join();
        second.join();
        assert_eq!(queue.delivered(0) + queue.delivered(1) + out, 2);
        assert!(left_over.running + out <= 2, "it runs more than there is");
        [queue.fate(0), queue.fate(1)].join(", ")
    }

    /// A shutdown that does not wait meets two pushes: each is delivered, refused, or left over,
    /// and no item is delivered after one that is left over.
    push_vs_giving_up -> [
        "delivered, delivered", "delivered, undelivered", "delivered, closed",
        "undelivered, undelivered", "undelivered, closed", "closed, closed",
        "delivered, delivered; running", "delivered, undelivered; running",
        "delivered, closed; running",
    ] {
        let (queue, worker) = Queue::new(2, Overflow::Block);
        let its = queue.clone();
        let pushing = spawn(move || [its.push(0), its.push(1)]);
        let is_running = queue.give_up();
        let before = queue.delivered(0) + queue.delivered(1);
        pushing.join();
        let fates = queue.end(worker, 0..2);
        let ran_on = queue.delivered(0) + queue.delivered(1) - before;
        assert!(ran_on <= usize::from(is_running), "it ran {ran_on} more");
        if is_running { format!("{fates}; running") } else { fates }
    }

    /// The worker is about to start something, and does not come back if it does: nobody waits
    /// for it.
    start_vs_giving_up -> ["delivered", "undelivered"] {
        let (queue, worker) = Queue::with_gate(1, Overflow::Block, GateState::Closed);
        assert_eq!(queue.push(0), "accepted");
        let is_running = queue.give_up();
        queue.0.gate.open();
        let fate = queue.end(worker, 0..1);
        assert_eq!(is_running, fate == "delivered");
        fate
    }

    /// The worker does not come back: an item that is pushed at the same time is still refused or
    /// left over, and no thread waits for the worker.
    push_vs_giving_up_a_stuck_worker -> ["delivered, undelivered", "delivered, closed"] {
        let (queue, worker) = Queue::stuck(1, Overflow::Block);
        let its = queue.clone();
        let pushing = spawn(move || its.push(1));
        assert!(queue.give_up(), "item 0 is running");
        pushing.join();
        assert_eq!(queue.delivered(0), 0);
        queue.0.gate.open();
        queue.end(worker, 0..2)
    }

    /// A sender that waits for room is woken by a shutdown, though there is none.
    blocked_push_vs_shutdown -> ["closed", "closed while it waited"] {
        let (queue, worker) = Queue::stuck(1, Overflow::Block);
        assert_eq!(queue.push(1), "accepted");
        let its = queue.clone();
        let pushing = spawn(move || {
            let mut waited = false;
            let told = its.push_or_wait(2, || {
                waited = true;
                true
            });
            (told, waited)
        });
        queue.0.line.close();
        let (told, waited) = pushing.join();
        assert_eq!(told, "closed");
        queue.0.gate.open();
        assert!(queue.0.line.wait_settled(None));
        assert_eq!(queue.end(worker, 0..3), "delivered, delivered, closed");
        if waited { "closed while it waited" } else { "closed" }
    }

    /// A sender that waits for room gets in as soon as there is some.
    blocked_push_vs_worker -> ["did not wait", "waited"] {
        let (queue, worker) = Queue::new(1, Overflow::Block);
        assert_eq!(queue.push(0), "accepted");
        let mut waited = false;
        let told = queue.push_or_wait(1, || {
            waited = true;
            true
        });
        assert_eq!(told, "accepted");
        queue.shut_down();
        assert_eq!(queue.end(worker, 0..2), "delivered, delivered");
        if waited { "waited" } else { "did not wait" }
    }

    /// A sender that drops the oldest meets the worker and a shutdown.
    displacing_push_vs_giving_up -> [
        "delivered, delivered", "delivered, undelivered", "delivered, closed", "dropped, delivered",
        "dropped, undelivered", "undelivered, undelivered", "undelivered, closed",
    ] {
        let (queue, worker) = Queue::new(1, Overflow::DropOldest);
        assert_eq!(queue.push(0), "accepted");
        let its = queue.clone();
        let pushing = spawn(move || its.push(1));
        queue.give_up();
        pushing.join();
        queue.end(worker, 0..2)
    }

    /// Two shutdowns meet: each item that is left over is in one of the two reports.
    two_give_up -> [
        "delivered, delivered", "delivered, undelivered", "undelivered, undelivered",
    ] {
        let (queue, worker) = Queue::new(2, Overflow::Block);
        assert_eq!(queue.push(0), "accepted");
        assert_eq!(queue.push(1), "accepted");
        let its = queue.clone();
        let giving_up = spawn(move || its.give_up());
        queue.give_up();
        giving_up.join();
        queue.end(worker, 0..2)
    }

    /// A flush meets a push: it returns when the items that were pushed before are delivered, and
    /// all effects of their receivers are complete.
    flush_vs_push -> ["before", "after"] {
        let (queue, worker) = Queue::new(2, Overflow::Block);
        assert_eq!(queue.push(0), "accepted");
        let its = queue.clone();
        let pushing = spawn(move || its.push(1));
        assert!(queue.0.line.flush(None));
        queue.take_over(0);
        let outcome = if queue.delivered(1) == 1 { "after" } else { "before" };
        pushing.join();
        queue.shut_down();
        assert_eq!(queue.end(worker, 0..2), "delivered, delivered");
        outcome
    }

    /// A flush waits for a running item, even if many items are dropped meanwhile.
    flush_vs_displacing_pushes -> ["delivered", "dropped"] {
        let (queue, worker) = Queue::new(1, Overflow::DropOldest);
        assert_eq!(queue.push(0), "accepted");
        let its = queue.clone();
        let pushing = spawn(move || [its.push(1), its.push(2)]);
        assert!(queue.0.line.flush(None));
        // The thread that dropped it need not have noted it yet.
        let counted = queue.0.line.counts().dropped > 0;
        if queue.delivered(0) == 1 {
            queue.take_over(0);
        }
        assert!(queue.delivered(0) == 1 || counted, "item 0 was not dealt with");
        let delivered = queue.delivered(0) == 1;
        pushing.join();
        queue.shut_down();
        queue.end(worker, 0..3);
        assert_eq!(queue.fate(0) == "delivered", delivered, "item 0 was not dealt with");
        queue.fate(0)
    }

    /// Two flushes meet, each after a push of its own.
    two_flushes -> ["one", "both"] {
        let (queue, worker) = Queue::new(2, Overflow::Block);
        let its = queue.clone();
        let flushing = spawn(move || {
            assert_eq!(its.push(1), "accepted");
            assert!(its.0.line.flush(None));
            its.take_over(1);
        });
        assert_eq!(queue.push(0), "accepted");
        assert!(queue.0.line.flush(None));
        queue.take_over(0);
        let outcome = if queue.delivered(1) == 1 { "both" } else { "one" };
        flushing.join();
        queue.shut_down();
        assert_eq!(queue.end(worker, 0..2), "delivered, delivered");
        outcome
    }

    /// A flush meets a shutdown that leaves something over, and returns.
    flush_vs_giving_up -> ["delivered", "undelivered"] {
        let (queue, worker) = Queue::new(1, Overflow::Block);
        assert_eq!(queue.push(0), "accepted");
        let its = queue.clone();
        let flushing = spawn(move || assert!(its.0.line.flush(None)));
        queue.give_up();
        flushing.join();
        let settled = queue.fate(0);
        assert_eq!(queue.end(worker, 0..1), settled);
        settled
    }

    /// A flush that looks once meets the worker, and leaves a round that another one ends.
    impatient_flush_vs_worker -> ["over", "not over"] {
        let (queue, worker) = Queue::new(1, Overflow::Block);
        assert_eq!(queue.push(0), "accepted");
        let over = queue.0.line.flush(Some(std::time::Instant::now()));
        if over {
            queue.take_over(0);
        }
        assert_eq!(queue.push(1), "accepted");
        assert!(queue.0.line.flush(None));
        queue.take_over(1);
        queue.shut_down();
        assert_eq!(queue.end(worker, 0..2), "delivered, delivered");
        if over { "over" } else { "not over" }
    }

    /// A look at the counters meets pushes: what went out is never more than what came in.
    counts_vs_pushes -> ["0", "1", "2"] {
        let (queue, worker) = Queue::stuck(1, Overflow::Reject);
        let its = queue.clone();
        let pushing = spawn(move || [its.push(1), its.push(2)]);
        let counts = queue.0.line.counts();
        let out = counts.delivered + counts.dropped + counts.undelivered;
        let inside = (counts.depth + counts.running) as u64;
        assert!(out + inside <= counts.pushed, "more went out than came in");
        assert!(counts.pushed + counts.rejected <= 3, "more rounds than the model can have");
        pushing.join();
        queue.0.gate.open();
        queue.shut_down();
        assert_eq!(queue.end(worker, 0..3), "delivered, delivered, full");
        (counts.pushed + counts.rejected - 1).to_string()
    }
}
