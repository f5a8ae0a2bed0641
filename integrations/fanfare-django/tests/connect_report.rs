//! A report of `connect_receivers` with receivers that wait for their model. A report is of a whole
//! program, so this is a program of its own.

use fanfare::{Sender, receiver};
use fanfare_django::model::{self, ModelSignal, POST_SAVE, PostSave, ReceiverResult};

struct Known;
struct Later;

#[receiver(POST_SAVE, sender = "report.Known", dispatch_uid = "known")]
#[receiver(POST_SAVE, sender = "report.Later", dispatch_uid = "later")]
fn index(_sender: Sender<'_>, _event: &PostSave<'_>) -> ReceiverResult {
    Ok(())
}

#[test]
fn a_report_disconnects_receivers_that_wait_and_connects_them_again() {
    model::prepare::<Known>("report.Known").unwrap();
    let report = fanfare::connect_receivers();
    let waiting = |report: &fanfare::declared::ConnectReport| {
        let ids = report.entries().iter().map(|it| it.id.is_none());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(waiting(&report), [false, true]);
    let uids: Vec<_> = report
        .entries()
        .iter()
        .map(|it| it.dispatch_uid.clone())
        .collect();
    assert_eq!(uids, [Some("known".to_owned()), Some("later".to_owned())]);
    assert_eq!(report.connections().len(), 1);

    assert_eq!(report.disconnect(), 2);
    assert!(model::unresolved_models().is_empty());
    let again = report.connect_again();
    assert_eq!(waiting(&again), [false, true]);

    // A receiver that waits already is in the new report, which disconnects it.
    let twice = again.connect_again();
    assert_eq!(twice, again, "what stays has the same entry");
    assert_eq!(twice.disconnect(), 2);
    assert_eq!(again.disconnect(), 0);
    assert_eq!(fanfare::connect_receivers().disconnect(), 0);
    assert!(model::unresolved_models().is_empty());

    // A receiver that is connected by hand meanwhile is the one that a duplicate stands for.
    let options = POST_SAVE.model("report.Later").dispatch_uid("later");
    let by_hand = options.connect(index).unwrap();
    let again = report.connect_again();
    let new: Vec<_> = again.entries().iter().map(|it| it.is_new).collect();
    assert_eq!(new, [true, false]);
    assert_eq!(report.disconnect(), 2);
    assert!(!by_hand.is_waiting() && model::unresolved_models().is_empty());

    let again = report.connect_again();
    assert_eq!(waiting(&again), [false, true]);
    assert!(again.entries().iter().all(|it| it.is_new));
    model::prepare::<Later>("report.Later").unwrap();
    assert_eq!(again.connections().len(), 2);
    assert!(POST_SAVE.from(Sender::of::<Later>()).has_listeners());
    assert_eq!(again.disconnect(), 2);
    assert_eq!(POST_SAVE.receiver_count(), 0);
}
