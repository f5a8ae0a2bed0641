//! Receivers of the relays of one connection.

use std::time::Duration;

use fanfare_outbox::{ConnectError, Durable, DurableReceiver, Outbox, SendDurable, Settings};
use fanfare_sea_orm::SignalConnection;

use crate::common::{LONG, Log, event, on_each_plain};

event!(Moved, "using.Moved", MOVED);

/// Connects a receiver that notes the numbers of its events.
fn connect(using: &str, log: &Log<u64>) -> DurableReceiver {
    let log = log.clone();
    let options = MOVED.durable("using.moved").using(using);
    let receiver = options.connect_async(move |_sender, event| {
        log.push(event.0);
        Box::pin(async { Ok::<_, String>(()) })
    });
    receiver.unwrap()
}

#[tokio::test]
async fn a_receiver_with_using_gets_the_events_of_that_connection_alone() {
    on_each_plain(async |north| {
        on_each_plain(async |south| {
            let (north_log, south_log) = (Log::new(), Log::new());
            let of_north = connect("north", &north_log);
            let of_south = connect("south", &south_log);
            let north = SignalConnection::named("north", north.clone());
            let south = SignalConnection::named("south", south);
            for db in [&north, &south] {
                let number = if db.using() == "north" { 1 } else { 2 };
                let outbox = Outbox::start(db, Settings::default()).await.unwrap();
                let sent = db.send_durable(&MOVED, "till", &Moved(number)).await;
                sent.unwrap();
                outbox.settle(LONG).await.unwrap();
                let status = outbox.status().await.unwrap();
                assert!(status.receiver("using.moved").unwrap().is_connected);
                let removed = outbox.remove("using.moved").await;
                assert!(removed.is_err(), "it is connected");
                outbox.shutdown().await;
            }
            assert_eq!((north_log.take(), south_log.take()), (vec![1], vec![2]));
            of_south.disconnect();

            // Its events wait, because no receiver of this connection is connected.
            let outbox = Outbox::start(&south, Settings::default()).await.unwrap();
            let sent = south.send_durable(&MOVED, "till", &Moved(3)).await;
            sent.unwrap();
            let settled = outbox.settle(Duration::from_millis(300)).await;
            assert!(settled.is_err());
            outbox.shutdown().await;
            assert_eq!((north_log.len(), south_log.len()), (0, 0));
            of_north.disconnect();
        })
        .await;
    })
    .await;
}

event!(Named, "using.Named", NAMED);

#[tokio::test]
async fn two_receivers_of_one_name_have_no_relay_in_common() {
    let connect = |using: Option<&str>| {
        let options = NAMED.durable("using.named");
        let options = match using {
            Some(using) => options.using(using),
            None => options,
        };
        options.connect_async(|_sender, _event| Box::pin(async { Ok::<_, String>(()) }))
    };
    let north = connect(Some("north")).unwrap();
    let south = connect(Some("south")).unwrap();
    for taken in [Some("north"), None] {
        let refused = connect(taken).unwrap_err();
        assert!(matches!(refused, ConnectError::NameTaken { .. }));
    }
    assert!(north.disconnect());
    assert!(!north.disconnect());
    let north = connect(Some("north")).unwrap();
    for receiver in [north, south] {
        assert!(receiver.disconnect());
    }
    let all = connect(None).unwrap();
    assert!(connect(Some("north")).is_err());
    all.disconnect();
}
