//! Deliveries as observers, scopes of tests and explanations see them. Scopes concern all signals
//! of a process, so that this is a process of its own.
#![cfg(unix)]

mod common;

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use common::children::{self, child_of, end_of, url_of_child};
use common::{
    LONG, Log, event, kill_self, named, on_each_database, on_each_plain, options_of, settings,
    start, statements_of, with_tables,
};
use fanfare::connections::{NotRun, Verdict};
use fanfare::watch::{
    self, ObservedReceiver, ObservedSend, Observer, Outcome, ReceiverChange, ReceiverEnd, SendEnd,
    SendWay, StoredCause,
};
use fanfare::{Connection, Signal, mute, testing};
use fanfare_outbox::{Durable, DurableEvent, Outbox, SendDurable};
use fanfare_sea_orm::SignalConnection;
use sea_orm::{ConnectionTrait, Statement};

/// Connects a receiver that stores an event in the outbox.
fn connect_bill<E>(
    ordered: &Signal<u64>,
    db: &SignalConnection,
    signal: &'static Signal<E>,
    event: fn(u64) -> E,
) -> Connection
where
    E: DurableEvent,
{
    let db = db.clone();
    ordered
        .options()
        .name("bill")
        .connect_async(move |_sender, order| {
            let (db, order) = (db.clone(), *order);
            Box::pin(async move {
                let event = event(order);
                db.send_durable(signal, order, &event).await.unwrap();
            })
        })
}

/// Returns a tree without the places of connects, and without the paths of types.
fn without_places(tree: &str) -> String {
    let line = |line: &str| {
        let line = line.replace("visible::", "");
        match line.split_once(" at ") {
            None => line + "\n",
            Some((start, place)) => {
                let end = place.find(" (").map_or("", |end| &place[end..]);
                format!("{start}{end}\n")
            }
        }
    };
    tree.lines().map(line).collect()
}

event!(Paid, "visible.Paid", PAID);
static MAILED: Signal<u8> = Signal::new();

/// Connects a receiver that fails once, and then sends.
fn connect_mail() -> fanfare_outbox::DurableReceiver {
    let mail = PAID.durable("visible.mail");
    let mail = mail.back_off(Duration::from_millis(1), Duration::from_millis(1));
    let mail = mail.connect_async(|_sender, paid| {
        Box::pin(async move {
            if paid.attempt() == 1 {
                return Err("no mail server");
            }
            MAILED.asend(&1).await;
            Ok(())
        })
    });
    mail.unwrap()
}

const TREE: &str = "\
u64 (Async)
  -> bill
    Paid from key 7 (Durable)
      -> visible.mail (durable, attempt 1) (failed)
    Paid from key 7 (Durable)
      -> visible.mail (durable, attempt 2)
        u8 (Async)
          -> archive
";

/// The tests with scopes take turns with the one that must have none beside it.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn a_delivery_is_below_its_cause_in_the_tree_of_a_scope() {
    let _turn = TURN.lock().await;
    MAILED
        .options()
        .name("archive")
        .connect(|_sender, _mail| ());
    let mail = connect_mail();
    on_each_database(async |db| {
        // The relay is of no scope.
        let outbox = start(&db).await;
        let ordered = Signal::new();
        connect_bill(&ordered, &db, &PAID, Paid);
        let scope = testing::scope_async(async |scope| {
            ordered.asend(&7).await;
            outbox.settle(LONG).await.unwrap();
            scope
                .assert_sent(&MAILED)
                .once()
                .caused_by(&PAID)
                .caused_by(&ordered);
            scope.tree()
        });
        assert_eq!(without_places(&scope.await), TREE);
        outbox.shutdown().await;
    })
    .await;
    mail.disconnect();
    MAILED.disconnect_all();
}

#[tokio::test]
async fn a_relay_that_starts_in_a_scope_delivers_in_it() {
    let _turn = TURN.lock().await;
    MAILED
        .options()
        .name("archive")
        .connect(|_sender, _mail| ());
    let mail = connect_mail();
    on_each_database(async |db| {
        db.send_durable(&PAID, 7, &Paid(7)).await.unwrap();
        let scope = testing::scope_async(async |scope| {
            let outbox = start(&db).await;
            outbox.settle(LONG).await.unwrap();
            outbox.shutdown().await;
            scope.tree()
        });
        let tree = without_places(&scope.await);
        let below: String = TREE
            .lines()
            .skip(2)
            .map(|line| format!("{}\n", &line[4..]))
            .collect();
        assert_eq!(tree, below);
    })
    .await;
    mail.disconnect();
    MAILED.disconnect_all();
}

/// An observer that writes a line for each step of the durable receivers of one signal.
#[derive(Clone)]
struct Lines(Log<String>);

impl Observer for Lines {
    fn send_started(&self, send: &ObservedSend<'_>) {
        assert_eq!(send.way(), SendWay::Durable);
        self.0.push(format!("send from {}", send.sender()));
    }

    fn receiver_started(&self, send: &ObservedSend<'_>, receiver: &ObservedReceiver<'_>) {
        assert_eq!(send.cause(), None);
        let delivery = receiver.delivery().unwrap();
        assert_eq!((delivery.cause(), delivery.error()), (None, None));
        assert!(receiver.location().file().ends_with("visible.rs"));
        let (name, attempt) = (receiver.name(), delivery.attempt());
        self.0.push(format!("{name} starts {attempt}"));
    }

    fn receiver_ended(
        &self,
        _send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
        end: &ReceiverEnd,
    ) {
        assert!(end.duration.is_some());
        let delivery = receiver.delivery().unwrap();
        let (attempt, error) = (delivery.attempt(), delivery.error());
        let error = error.map_or(String::new(), |error| format!(": {error}"));
        self.0.push(format!("{attempt} {:?}{error}", end.outcome));
    }

    fn send_ended(&self, _send: &ObservedSend<'_>, end: &SendEnd) {
        assert_eq!((end.reached, end.muted), (1, 0));
        self.0.push(format!("end {}", end.cut_off));
    }

    fn receiver_changed(
        &self,
        _signal: &watch::SignalInfo,
        receiver: &ObservedReceiver<'_>,
        change: ReceiverChange,
    ) {
        self.0.push(format!("{} {change:?}", receiver.name()));
    }
}

event!(Tried, "visible.Tried", TRIED);

#[tokio::test]
async fn an_observer_sees_each_attempt_with_its_number_and_its_end() {
    let lines = Log::new();
    let _watch = watch::signal(&TRIED, Lines(lines.clone()));
    let ids = Log::new();
    let seen = ids.clone();
    let receiver = TRIED.durable("visible.tried");
    let receiver = receiver
        .back_off(Duration::from_millis(1), Duration::from_millis(1))
        .timeout(Duration::from_millis(100))
        .connect_async(move |_sender, tried| {
            seen.push(tried.id());
            Box::pin(async move {
                match tried.attempt() {
                    1 => Err("not now"),
                    2 => panic!("a panic"),
                    3 => std::future::pending().await,
                    _ => Ok(()),
                }
            })
        });
    let receiver = receiver.unwrap();
    assert_eq!(lines.take(), ["visible.tried Connected"]);
    on_each_database(async |db| {
        let outbox = start(&db).await;
        db.send_durable(&TRIED, "till", &Tried(1)).await.unwrap();
        outbox.settle(LONG).await.unwrap();
        let mut expected = Vec::new();
        for (attempt, end, is_cut_off) in [
            (1, "Failed: not now", false),
            (2, "Panicked", true),
            (3, "Dropped", true),
            (4, "Returned", false),
        ] {
            expected.extend([
                "send from \"till\"".to_owned(),
                format!("visible.tried starts {attempt}"),
                format!("{attempt} {end}"),
                format!("end {is_cut_off}"),
            ]);
        }
        assert_eq!(lines.take(), expected);
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
    assert_eq!(lines.take(), ["visible.tried Disconnected"]);
}

event!(Kept, "visible.Kept", KEPT);

/// A mute concerns sends, and a stored event is owed.
#[tokio::test]
async fn a_durable_receiver_is_explained_and_not_muted() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = KEPT
        .durable("visible.kept")
        .connect_async(move |_sender, kept| {
            seen.push(kept.0);
            Box::pin(async { Ok::<_, String>(()) })
        });
    let receiver = receiver.unwrap();
    let explanation = KEPT.explain(7);
    assert_eq!(explanation.would_run(), 0);
    let explained = &explanation.connections[0];
    assert_eq!(explained.verdict, Verdict::WouldNotRun(NotRun::Durable));
    assert_eq!(explained.connection.name, "visible.kept");
    let text = explanation.to_string();
    let line = "would not run: durable, so it gets the events of `send_durable` from a relay, and \
         `Outbox::status` counts those that are pending, failed or dead: visible.kept (#";
    assert!(text.contains(line), "{text}");

    on_each_database(async |db| {
        let _muted = mute::signal(&KEPT).everywhere();
        let outbox = start(&db).await;
        db.send_durable(&KEPT, 7, &Kept(7)).await.unwrap();
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [7]);
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
    assert_eq!(KEPT.explain(7).connections, []);
}

event!(Plain, "visible.Plain", PLAIN);

/// Returns the causes that are stored.
async fn causes(db: &SignalConnection) -> Vec<Option<String>> {
    let sql = "SELECT cause FROM fanfare_outbox_event ORDER BY id";
    let rows = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(rows).await.unwrap();
    rows.iter()
        .map(|row| row.try_get("", "cause").unwrap())
        .collect()
}

/// An observer that sees all sends and does nothing.
struct Idle;

impl Observer for Idle {}

#[tokio::test]
async fn a_cause_is_stored_by_the_same_statements_and_only_if_observed() {
    let _turn = TURN.lock().await;
    on_each_plain(async |mut db| {
        let statements = statements_of(&mut db);
        let db = named(db);
        let ordered = Signal::new();
        connect_bill(&ordered, &db, &PLAIN, Plain);
        ordered.asend(&7).await;
        let without = statements.take();
        let watch = watch::signal(&ordered, Idle);
        ordered.asend(&8).await;
        drop(watch);
        assert_eq!(statements.take(), without);
        let causes = causes(&db).await;
        assert_eq!(causes[0], None);
        let cause = causes[1].as_deref().unwrap();
        assert!(cause.contains("\"receiver\":\"bill\""), "{cause}");
        assert!(cause.contains("\"signal\":\"u64\""), "{cause}");
    })
    .await;
}

event!(Crashed, "visible.Crashed", CRASHED);
event!(Next, "visible.Next", NEXT);

/// An observer that keeps the causes of deliveries.
struct Causes(Log<StoredCause>);

impl Observer for Causes {
    fn receiver_ended(
        &self,
        send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
        end: &ReceiverEnd,
    ) {
        assert_eq!(end.outcome, Outcome::Returned);
        let cause = receiver.delivery().unwrap().cause().unwrap().clone();
        // A cause of another process is none of the sends of this one.
        let is_here = cause
            .process
            .starts_with(&format!("{}-", std::process::id()));
        assert_eq!(send.cause().is_some(), is_here);
        self.0.push(cause);
    }
}

static STARTED: Signal<u8> = Signal::new();
static ORDERED: Signal<u64> = Signal::new();

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of another test"]
async fn child_stores_an_event_and_is_killed() {
    let Some(url) = url_of_child() else {
        return;
    };
    let db = SignalConnection::new(with_tables(options_of(&url)).await);
    connect_bill(&ORDERED, &db, &CRASHED, Crashed);
    STARTED.connect_async(|_sender, _event| {
        Box::pin(async {
            ORDERED.asend(&7).await;
        })
    });
    let _watch = watch::all(Idle);
    STARTED.asend(&1).await;
    // The event is committed.
    kill_self();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cause_of_a_delivery_survives_the_process_that_had_it() {
    let _turn = TURN.lock().await;
    children::on_each(async |options| {
        let mut child = child_of("child_stores_an_event_and_is_killed", options.get_url());
        let mut child = child.spawn().unwrap();
        let ended = end_of(&mut child);
        assert_eq!(ended.signal(), Some(9), "{ended}");

        let db = SignalConnection::named("crashed", with_tables(options).await);
        let crashed = CRASHED.durable("visible.crashed").connect_async({
            let db = db.clone();
            move |sender, event| {
                let (db, order) = (db.clone(), event.0);
                Box::pin(async move { db.send_durable(&NEXT, sender, &Next(order)).await })
            }
        });
        let next = NEXT.durable("visible.next");
        let next = next.connect_async(|_sender, _next| Box::pin(async { Ok::<_, String>(()) }));
        let causes = Log::new();
        let watches = [
            watch::signal(&CRASHED, Causes(causes.clone())),
            watch::signal(&NEXT, Causes(causes.clone())),
        ];
        let scope = testing::scope_async(async |scope| {
            let outbox = Outbox::start(&db, settings()).await.unwrap();
            outbox.settle(LONG).await.unwrap();
            outbox.shutdown().await;
            scope.tree()
        });
        let tree = scope.await;
        drop(watches);
        crashed.unwrap().disconnect();
        next.unwrap().disconnect();

        let causes = causes.take();
        let [first, second] = &causes[..] else {
            panic!("{causes:?}");
        };
        assert!(first.process.starts_with(&format!("{}-", child.id())));
        assert_eq!(
            (first.signal.as_str(), first.receiver.as_str()),
            ("u64", "bill")
        );
        // The send of `STARTED` was the first one of the chain.
        assert_eq!(first.root_process, first.process);
        assert_eq!(first.send, first.root + 1);

        assert!(
            second
                .process
                .starts_with(&format!("{}-", std::process::id()))
        );
        assert_eq!(second.receiver, "visible.crashed");
        assert_eq!(second.root_process, first.process);
        assert_eq!(second.root, first.root);

        let expected = format!(
            "Crashed from key 7 (Durable)\n  \
               -> visible.crashed (durable, attempt 1, caused by {first})\n    \
                 Next from key 7 (Durable)\n      \
                   -> visible.next (durable, attempt 1)\n"
        );
        assert_eq!(without_places(&tree), expected);
    })
    .await;
}
