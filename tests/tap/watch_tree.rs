//! A cascade over each way to hand an event on, as one tree.
#![cfg(all(feature = "tokio", feature = "queue", feature = "rayon"))]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use fanfare::watch::{
    self, Cause, ObservedReceiver, ObservedSend, Observer, Outcome, ReceiverEnd, SendId,
};
use fanfare::{Deferred, Queue, ReceiverId, Signal};
use tokio::runtime::Handle;

/// One send, and the receivers that ran for it.
struct Seen {
    line: String,
    cause: Option<Cause>,
    root: SendId,
    receivers: Vec<(ReceiverId, String)>,
}

/// An observer that keeps all sends.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<BTreeMap<SendId, Seen>>>);

impl Observer for Recorder {
    fn send_started(&self, send: &ObservedSend<'_>) {
        let name = send.signal().name();
        let name = name.rsplit("::").next().unwrap();
        let seen = Seen {
            line: format!("{name}, {:?}", send.way()),
            cause: send.cause(),
            root: send.root(),
            receivers: Vec::new(),
        };
        self.0.lock().unwrap().insert(send.id(), seen);
    }

    fn receiver_ended(
        &self,
        send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
        end: &ReceiverEnd,
    ) {
        assert_eq!(end.outcome, Outcome::Returned);
        let mut sends = self.0.lock().unwrap();
        let seen = sends.get_mut(&send.id()).unwrap();
        seen.receivers.push((receiver.id(), receiver.name().into()));
    }
}

impl Recorder {
    /// Returns the tree of the sends below `cause`, a line each.
    fn tree(&self, cause: Option<(SendId, ReceiverId)>, depth: usize) -> String {
        let sends = self.0.lock().unwrap();
        let mut text = String::new();
        Recorder::print(&sends, cause, depth, &mut text);
        text
    }

    fn print(
        sends: &BTreeMap<SendId, Seen>,
        cause: Option<(SendId, ReceiverId)>,
        depth: usize,
        text: &mut String,
    ) {
        let is_below = |seen: &Seen| seen.cause.map(|cause| (cause.send, cause.receiver)) == cause;
        let mut below: Vec<_> = sends.iter().filter(|(_, seen)| is_below(seen)).collect();
        // The numbers of sends on several threads are in no order.
        below.sort_by_key(|(_, seen)| &seen.line);
        for (id, seen) in below {
            writeln!(text, "{}{}", "  ".repeat(depth), seen.line).unwrap();
            let mut receivers = seen.receivers.clone();
            receivers.sort_by(|a, b| a.1.cmp(&b.1));
            for (receiver, name) in receivers {
                writeln!(text, "{}-> {name}", "  ".repeat(depth)).unwrap();
                Recorder::print(sends, Some((*id, receiver)), depth + 1, text);
            }
        }
    }
}

macro_rules! events {
    ($($name:ident)*) => {
        $(#[derive(Clone)]
        struct $name;
        impl fanfare::Event for $name {
            type Args<'a> = $name;
        })*
    };
}

events! { Ordered Packed Billed Mailed Stocked Indexed Logged }

static ORDERED: Signal<Ordered> = Signal::new();
static PACKED: Signal<Packed> = Signal::new();
static BILLED: Signal<Billed> = Signal::new();
static MAILED: Signal<Mailed> = Signal::new();
static STOCKED: Signal<Stocked> = Signal::new();
static INDEXED: Signal<Indexed> = Signal::new();
static LOGGED: Signal<Logged> = Signal::new();

const TREE: &str = "\
Ordered, Blocking
-> pack (queued)
  Packed, Blocking
  -> bill (deferred)
    Billed, Blocking
    -> mail (task)
      Mailed, Async
      -> stock (offloaded)
        Stocked, Parallel
        -> index (pool)
          Indexed, Batch
          -> log (batch)
            Logged, Blocking
        -> reorder (pool)
          Logged, Async
";

#[test]
fn a_cascade_over_all_ways_prints_as_one_tree() {
    let recorder = Recorder::default();
    let queue = Queue::bounded(8).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(1).build().unwrap();
    let handle: Handle = runtime.handle().clone();

    let packs = ORDERED.options().name("pack (queued)").queued(&queue);
    packs.connect(|_sender, _event| drop(PACKED.send(&Packed)));
    PACKED
        .options()
        .name("bill (deferred)")
        .connect(|_sender, _event| {
            let mut deferred = Deferred::new();
            deferred.record(&BILLED, Billed);
            // The commit is on a thread that has no cause.
            std::thread::scope(|scope| {
                scope.spawn(move || deferred.commit());
            });
        });
    BILLED
        .options()
        .name("mail (task)")
        .connect(move |_sender, _event| {
            let context = watch::Context::current();
            let mailed = handle.spawn(context.follow(async { MAILED.asend(&Mailed).await }));
            pollster::block_on(mailed).unwrap();
        });
    let stocks = MAILED.options().name("stock (offloaded)");
    stocks.connect_offloaded(|_sender, _event| drop(STOCKED.send_parallel(&Stocked)));
    let indexes = STOCKED.options().name("index (pool)");
    indexes.connect(|_sender, _event| drop(INDEXED.send_batch(&[Indexed, Indexed])));
    let reorders = STOCKED.options().name("reorder (pool)");
    reorders.connect(|_sender, _event| drop(pollster::block_on(LOGGED.asend(&Logged))));
    let logs = INDEXED.options().name("log (batch)");
    logs.connect_batch(|_sender, _events| drop(LOGGED.send(&Logged)));

    let watches = [
        watch::signal(&ORDERED, recorder.clone()),
        watch::signal(&PACKED, recorder.clone()),
        watch::signal(&BILLED, recorder.clone()),
        watch::signal(&MAILED, recorder.clone()),
        watch::signal(&STOCKED, recorder.clone()),
        watch::signal(&INDEXED, recorder.clone()),
        watch::signal(&LOGGED, recorder.clone()),
    ];
    ORDERED.send(&Ordered);
    queue.flush().unwrap();
    drop(watches);
    let tree = recorder.tree(None, 0);
    println!("{tree}");
    assert_eq!(tree, TREE);
    let sends = recorder.0.lock().unwrap();
    let first = sends.values().find(|seen| seen.cause.is_none()).unwrap();
    assert!(sends.values().all(|seen| seen.root == first.root));
}
