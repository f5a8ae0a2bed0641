//! The report of `connect_receivers` as a handle: to single receivers, and to all of them. A report
//! is of a whole program, so this is a program of its own.

#![cfg(feature = "macros")]

use fanfare::{Sender, Signal, receiver};

static PAID: Signal<u32, u32> = Signal::new();

#[receiver(PAID)]
#[receiver(PAID, sender = "shop", dispatch_uid = "bill")]
fn bill(_sender: Sender<'_>, cents: &u32) -> u32 {
    *cents
}

#[receiver(PAID, once)]
fn only_once(_sender: Sender<'_>, _cents: &u32) -> u32 {
    0
}

#[cfg(feature = "async")]
#[receiver(PAID, sender = "async")]
async fn bill_later(_sender: Sender<'_>, cents: &u32) -> u32 {
    *cents + 1
}

#[test]
fn a_report_names_its_receivers_and_disconnects_and_connects_them() {
    let report = fanfare::connect_receivers();
    let entry = |receiver: &str, sender: Option<&str>| {
        let mut entries = report.entries().iter();
        let is_it = |it: &&_| {
            let it: &fanfare::declared::ReportEntry = it;
            it.receiver.ends_with(receiver) && it.sender.as_deref() == sender
        };
        entries.find(is_it).expect("an entry").clone()
    };
    let (plain, named) = (entry("::bill", None), entry("::bill", Some("\"shop\"")));
    assert_eq!(
        (plain.dispatch_uid, named.dispatch_uid.as_deref()),
        (None, Some("bill"))
    );
    let ids: Vec<_> = PAID.connections().iter().map(|it| it.id).collect();
    assert!(ids.contains(&plain.id.unwrap()) && ids.contains(&named.id.unwrap()));
    assert_eq!(report.connections().len(), report.entries().len());

    // One receiver: by id, by uid, by function.
    assert!(PAID.disconnect_id(plain.id.unwrap()));
    assert!(PAID.options().sender("shop").disconnect_uid("bill"));
    #[cfg(feature = "async")]
    {
        assert!(PAID.options().sender("async").disconnect(bill_later));
        assert!(!PAID.options().sender("async").disconnect(bill_later));
    }
    assert_eq!(PAID.receiver_count(), 1);
    assert_eq!(
        fanfare::connect_receivers(),
        report,
        "connect_receivers connects no one again"
    );
    assert_eq!(PAID.receiver_count(), 1);

    // All of them again: those that are connected stay.
    let again = report.connect_again();
    assert_eq!(PAID.receiver_count(), report.entries().len());
    assert_eq!(again.duplicates().count(), 0);
    let ids = |report: &fanfare::declared::ConnectReport| {
        let ids = report.entries().iter().map(|it| it.id);
        ids.collect::<Vec<_>>()
    };
    let stayed = ids(&again)
        .into_iter()
        .filter(|it| ids(&report).contains(it));
    assert_eq!(stayed.count(), 1);
    assert_eq!(
        fanfare::connect_receivers(),
        again,
        "later reports have the new connections"
    );
    assert_eq!(
        *PAID.send(&7),
        [0, 7],
        "the receiver that stayed is the first"
    );

    // A spent receiver is not connected any more.
    assert_eq!(again.disconnect(), report.entries().len() - 1);
    assert_eq!((again.disconnect(), PAID.receiver_count()), (0, 0));
    let last = report.connect_again();
    // A report ends the latest connections, whichever call made them.
    assert_eq!(report.disconnect(), report.entries().len());
    let last = last.connect_again();
    assert!(last.entries().iter().all(|it| it.is_new));
    assert_eq!(*PAID.send(&7), [7, 0]);
    let waited = last.disconnect_and_wait(std::time::Duration::from_secs(60));
    assert_eq!((waited, PAID.receiver_count()), (Ok(()), 0));
}
