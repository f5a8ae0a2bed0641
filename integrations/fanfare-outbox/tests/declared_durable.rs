//! Durable receivers that `#[receiver]` declares.
//!
//! One test: `connect_receivers` connects, and reports, every receiver of the program.

mod common;

use std::panic::catch_unwind;
use std::time::Duration;

use fanfare::declared::ReportEntry;
use fanfare::{Sender, connect_receivers, receiver};
use fanfare_outbox::{Delivered, Durable, SendDurable, Start};
use fanfare_sea_orm::SignalConnection;

use common::{LONG, Log, event, on_each_database, start, until};

event!(Paid, "declared.Paid", PAID);

static SEEN: std::sync::LazyLock<Log<String>> = std::sync::LazyLock::new(Log::new);

const LINE_OF_MAIL: u32 = line!() + 1;
#[receiver(PAID, durable = "declared.mail", start = Start::Oldest, keys_at_once = 1)]
async fn mail(sender: Sender<'_>, paid: &Delivered<Paid>) -> Result<(), String> {
    let (id, attempt) = (paid.id(), paid.attempt());
    tokio::task::yield_now().await;
    assert!(id > 0 && attempt == 1);
    SEEN.push(format!("mail {sender} {}", paid.0));
    Ok(())
}

/// A receiver of the event alone, without its id.
#[receiver(PAID, durable = "declared.index", outbox = fanfare_outbox)]
async fn index(_sender: Sender<'_>, paid: &Paid) -> Result<(), std::io::Error> {
    SEEN.push(format!("index {}", paid.0));
    Ok(())
}

#[receiver(PAID, durable = "declared.failing", attempts = 1, unsequenced)]
async fn failing(_sender: Sender<'_>, paid: &Delivered<Paid>) -> Result<(), String> {
    Err(format!("no {}", paid.0))
}

#[receiver(PAID, durable = "declared.slow", attempts = 1, timeout = Duration::from_millis(10))]
async fn slow(_sender: Sender<'_>, _paid: &Delivered<Paid>) -> Result<(), String> {
    std::future::pending().await
}

/// Returns the entry of a receiver.
fn entry(entries: &[ReportEntry], name: &str) -> ReportEntry {
    let mut found = entries
        .iter()
        .filter(|it| it.durable.as_deref() == Some(name));
    let entry = found.next().unwrap().clone();
    assert!(found.next().is_none(), "{name} is declared once");
    entry
}

#[tokio::test]
async fn declared_durable_receivers_are_connected_reported_and_disconnected() {
    // The name of one of them is taken.
    let taken = PAID.durable("declared.index");
    let taken = taken.connect_async(|_, _| Box::pin(async { Ok::<_, String>(()) }));
    let taken = taken.unwrap();
    let panic = catch_unwind(connect_receivers).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    let start_of_message = format!(
        "the durable receiver `{}::index` could not be connected: a durable receiver of this process has the \
         name \"declared.index\"",
        module_path!()
    );
    assert!(message.starts_with(&start_of_message), "{message}");
    assert!(taken.disconnect());

    let report = connect_receivers();
    assert_eq!(report.entries().len(), 4);
    assert_eq!(report.duplicates().count(), 0);
    assert_eq!(report.connections().len(), 0, "no send calls them");
    let mailing = entry(report.entries(), "declared.mail");
    assert_eq!(
        (mailing.signal, mailing.receiver),
        ("PAID", concat!(module_path!(), "::mail"))
    );
    assert_eq!((mailing.file, mailing.line), (file!(), LINE_OF_MAIL));
    assert_eq!((mailing.id, mailing.sender.as_deref()), (None, None));
    let line = format!(
        "PAID <- {}::mail ({}:{LINE_OF_MAIL}), durable as \"declared.mail\"",
        module_path!(),
        file!()
    );
    assert!(report.to_string().contains(&line), "{report}");

    PAID.send(&Paid(0));
    on_each_database(async |db: SignalConnection| {
        let outbox = start(&db).await;
        let send = async |number| {
            let sent = db.send_durable(&PAID, "till", &Paid(number)).await;
            sent.unwrap();
        };
        let seen = || {
            let mut seen = SEEN.take();
            seen.sort();
            seen
        };
        send(1).await;
        send(2).await;
        outbox.settle(LONG).await.unwrap();
        let both = ["index 1", "index 2", r#"mail "till" 1"#, r#"mail "till" 2"#];
        assert_eq!(seen(), both);
        let status = outbox.status().await.unwrap();
        let dead = |name| status.receiver(name).unwrap().dead;
        assert_eq!(
            dead("declared.failing"),
            2,
            "they do not wait for each other"
        );
        assert_eq!(dead("declared.slow"), 1);

        assert_eq!(connect_receivers(), report, "a second call connects none");
        assert_eq!(report.connect_again(), report, "they are still connected");
        assert_eq!(report.disconnect(), 4);
        assert_eq!(report.disconnect(), 0);
        send(3).await;
        until("it is handed out", async || {
            outbox.status().await.unwrap().new == 0
        })
        .await;
        assert_eq!(seen(), [""; 0]);
        assert!(report.connect_again().entries().iter().all(|it| it.is_new));
        outbox.settle(LONG).await.unwrap();
        assert_eq!(
            seen(),
            ["index 3", r#"mail "till" 3"#],
            "the database kept it"
        );
        outbox.shutdown().await;
    })
    .await;
}
