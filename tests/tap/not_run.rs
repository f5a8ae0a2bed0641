//! A failure of an assertion names the receivers that did not run, each with the reason.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fanfare::watch::{self, KeepDisconnected};
use fanfare::{Signal, mute, testing};

/// Returns the lines about receivers that did not run, in the message with which `run` panics.
fn reasons<T>(run: impl FnOnce() -> T) -> Vec<String> {
    let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else {
        panic!("it did not fail");
    };
    let message = *panic.downcast::<String>().expect("a message");
    let mut lines = message.lines();
    let head = lines.find(|line| *line == "receivers that did not run:");
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    assert_eq!(head.is_some(), !lines.is_empty(), "{message}");
    lines
}

/// Asserts that `line` is about the receiver `name` and has `reason`.
#[track_caller]
fn assert_reason(line: &str, name: &str, reason: &str) {
    let start = format!("  {name} at {}:", file!());
    assert!(line.starts_with(&start), "{line}");
    assert!(line.ends_with(&format!(": {reason}")), "{line}");
}

#[test]
fn each_reason_of_an_explanation_is_named() {
    static PAID: Signal<u32> = Signal::new();
    static MAILED: Signal<u32> = Signal::new();
    MAILED.connect(|_sender, _order| ());
    PAID.options().name("index").connect(|_sender, _order| ());
    let till = PAID.options().name("till").sender("till");
    till.connect(|_sender, order| drop(MAILED.send(order)));
    let muted = PAID.options().name("mail").tag("mail");
    muted.connect(|_sender, order| drop(MAILED.send(order)));
    let _watch = watch::signal(&PAID, KeepDisconnected::last(10));
    let printer = PAID.options().name("printer").connect(|_sender, _order| ());
    printer.disconnect();
    testing::scope(|scope| {
        scope.fake(mute::tag("mail"));
        PAID.from("shop").send(&7);
        PAID.from("shop").send(&8);
        let lines = reasons(|| scope.assert_sent(&MAILED));
        assert_eq!(lines.len(), 3, "{lines:?}");
        let other = "connected for another sender, \"till\"";
        assert_reason(&lines[0], "till", other);
        assert!(
            lines[0].contains(", in u32 from \"shop\": "),
            "{}",
            lines[0]
        );
        assert!(lines[1].contains(": muted in scope "), "{}", lines[1]);
        assert_reason(&lines[2], "printer", "disconnected");
    });
}

#[test]
fn a_receiver_that_stops_the_send_is_named() {
    static PAID: Signal<u32, bool> = Signal::new();
    PAID.options().name("index").connect(|_sender, _order| true);
    PAID.options().name("veto").connect(|_sender, _order| false);
    PAID.options().name("mail").connect(|_sender, _order| true);
    testing::scope(|scope| {
        PAID.send_until(&7, |response| !response);
        let lines = reasons(|| scope.assert_not_sent(&PAID));
        assert_eq!(lines.len(), 1, "{lines:?}");
        let reason = "the send ended after veto, or this was connected later";
        assert_reason(&lines[0], "mail", reason);
    });
}

#[test]
fn a_receiver_that_was_connected_later_is_named() {
    static PAID: Signal<u32> = Signal::new();
    PAID.options().name("index").connect(|_sender, _order| ());
    testing::scope(|scope| {
        PAID.send(&7);
        let first = PAID.options().name("first").priority(1);
        first.connect(|_sender, _order| ());
        let lines = reasons(|| scope.assert_not_sent(&PAID));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_reason(
            &lines[0],
            "first",
            "connected later, or left out at that time",
        );
    });
}

#[test]
fn receivers_that_ran_are_not_named() {
    static PAID: Signal<u32> = Signal::new();
    PAID.connect(|_sender, _order| ());
    testing::scope(|scope| {
        PAID.send(&7);
        assert!(reasons(|| scope.assert_not_sent(&PAID)).is_empty());
    });
}

#[test]
fn many_receivers_are_counted() {
    static PAID: Signal<u32> = Signal::new();
    for till in 0..30 {
        PAID.options().sender(till).connect(|_sender, _order| ());
    }
    testing::scope(|scope| {
        PAID.send(&7);
        let lines = reasons(|| scope.assert_not_sent(&PAID));
        assert_eq!(lines.len(), 21, "{lines:?}");
        assert_eq!(lines[20], "  and 10 more");
    });
}

#[test]
fn a_signal_that_nobody_listens_to_is_explained() {
    static PAID: Signal<u32> = Signal::new();
    PAID.options()
        .name("till")
        .sender("till")
        .connect(|_sender, _order| ());
    testing::scope(|scope| {
        scope.assert_listening(PAID.from("till"));
        let failed = catch_unwind(AssertUnwindSafe(|| scope.assert_listening(&PAID)));
        let message = *failed.unwrap_err().downcast::<String>().unwrap();
        let reason = "would not run: connected for another sender, \"till\": till";
        assert!(message.contains(reason), "{message}");
    });
}
