//! Receivers that `#[receiver]` declares for a queue.

#![cfg(all(feature = "macros", feature = "queue", feature = "async"))]

use std::sync::{LazyLock, Mutex};
use std::thread::{self, ThreadId};

use fanfare::connections::ReceiverKind;
use fanfare::{Queue, Sender, Signal, queue, receiver};

static MAILS: LazyLock<Queue> = LazyLock::new(|| Queue::bounded(16).unwrap());

/// The receivers of a queue return no response of their own: this one is the queue's.
type Response = Result<(), queue::Error>;

static PAID: Signal<u32, Response> = Signal::new();
static NOTES: Mutex<Vec<(&str, u32, ThreadId)>> = Mutex::new(Vec::new());

fn note(receiver: &'static str, order: u32) {
    let note = (receiver, order, thread::current().id());
    NOTES.lock().unwrap().push(note);
}

#[receiver(PAID, queued = MAILS, dispatch_uid = "mail", priority = 2)]
fn mail(_sender: Sender<'_>, order: &u32) {
    note("mail", *order);
}

#[receiver(PAID, queued = MAILS, sender = "shop", once)]
async fn index(sender: Sender<'_>, order: &u32) {
    assert_eq!(sender, Sender::named("shop"));
    note("index", *order);
}

#[test]
fn declared_receivers_run_on_their_queue_with_their_options() {
    let report = fanfare::connect_receivers();
    let connections = PAID.connections();
    assert!(connections.iter().all(|it| it.kind == ReceiverKind::Queued));
    assert_eq!(connections[0].dispatch_uid.as_deref(), Some("mail"));
    assert!(connections[1].name.ends_with("index"), "{connections:?}");

    assert_eq!(PAID.from("shop").send(&7).len(), 2);
    assert_eq!(
        PAID.from("shop").send(&8).len(),
        1,
        "`index` has run for the only time"
    );
    MAILS.flush().unwrap();
    let mut notes = NOTES.lock().unwrap();
    notes.sort_by_key(|(receiver, order, _)| (*receiver, *order));
    let here = thread::current().id();
    assert!(notes.iter().all(|(.., thread)| *thread != here));
    let runs: Vec<_> = notes
        .iter()
        .map(|(receiver, order, _)| (*receiver, *order))
        .collect();
    assert_eq!(runs, [("index", 7), ("mail", 7), ("mail", 8)]);
    drop(notes);

    // A declared async function is identified by itself.
    let from_shop = || PAID.options().sender("shop");
    assert!(!from_shop().disconnect(index), "it is spent");
    report.connect_again();
    assert!(from_shop().disconnect(index) && !from_shop().disconnect(index));
    assert!(PAID.disconnect_uid("mail"));
}
