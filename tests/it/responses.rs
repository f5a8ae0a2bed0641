//! The result of a send: one response per receiver, in order, each with its receiver's id.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare::{Connection, Event, ReceiverId, Signal};

struct Turn<'a>(&'a AtomicUsize);

impl Event for Turn<'static> {
    type Args<'a> = Turn<'a>;
}

type Asked = Signal<(), u32>;
type Tried = Signal<(), Result<u32, String>>;

#[test]
fn one_response_per_receiver_in_order_of_sending() {
    let (signal, connections) = asked([0, 1, 2, 3]);
    let responses = signal.send(&());
    assert_eq!(*responses, [0, 1, 2, 3]);
    assert_eq!((responses.len(), responses[2]), (4, 2));
    let ids: Vec<_> = connections.iter().map(Connection::id).collect();
    assert_eq!(responses.pairs().map(|(id, _)| id).collect::<Vec<_>>(), ids);
    assert_eq!(
        responses
            .pairs()
            .map(|(_, value)| *value)
            .collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    let pairs: Vec<(ReceiverId, u32)> = signal.send(&()).into_pairs().collect();
    assert_eq!(pairs, ids.iter().copied().zip(0..4).collect::<Vec<_>>());
    assert_eq!(responses.into_iter().collect::<Vec<u32>>(), [0, 1, 2, 3]);
}

/// Ids are never used again and grow with the connections, in one signal and over all of them.
#[test]
fn receiver_ids_are_unique_and_in_order_of_connection() {
    let signals = [Asked::new(), Asked::new()];
    let mut seen = HashSet::new();
    let mut latest = None;
    for round in 0..100 {
        let connection = signals[round % 2].connect(move |_, ()| round as u32);
        assert!(seen.insert(connection.id()), "round {round}");
        assert!(latest < Some(connection.id()), "round {round}");
        latest = Some(connection.id());
        connection.disconnect();
    }
}

#[test]
fn responses_may_be_kept_after_their_receivers_are_gone() {
    let signal = Signal::<(), Arc<str>>::new();
    signal.connect(|_, ()| Arc::from("kept"));
    let responses = signal.send(&());
    drop(signal);
    assert_eq!(&*responses[0], "kept");
}

#[test]
fn every_response_is_dropped_once_however_it_is_left() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Counted(#[expect(dead_code, reason = "gives the value a size")] u64);
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
    let signal = Signal::<(), Counted>::new();
    for index in 0..20 {
        signal.connect(move |_, ()| {
            MADE.fetch_add(1, Ordering::Relaxed);
            Counted(index)
        });
    }
    drop(signal.send(&()));
    drop(signal.send(&()).into_iter().take(3).collect::<Vec<_>>());
    drop(signal.send(&()).into_pairs().next());
    drop(signal.send_robust(&()).into_iter().next());
    drop(signal.send_until(&(), |_| MADE.load(Ordering::Relaxed) % 7 == 0));
    let flow = signal.send_each(&(), |_, value| ControlFlow::Break(value));
    assert!(flow.is_break());
    drop(flow);
    assert_eq!(
        MADE.load(Ordering::Relaxed),
        DROPPED.load(Ordering::Relaxed)
    );
    assert!(MADE.load(Ordering::Relaxed) >= 82);
}

#[test]
fn responses_of_no_size_are_counted_and_dropped_once_each() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Token;
    impl Drop for Token {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
    let signal = Signal::<(), Token>::new();
    for index in 0..5 {
        signal.connect(move |_, ()| {
            assert!(index < 5);
            Token
        });
    }
    let responses = signal.send(&());
    assert_eq!((responses.len(), responses.iter().count()), (5, 5));
    assert_eq!(DROPPED.load(Ordering::Relaxed), 0);
    drop(responses);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 5);
    let mut rest = signal.send(&()).into_iter();
    assert!(rest.next().is_some());
    assert_eq!(DROPPED.load(Ordering::Relaxed), 6);
    drop(rest);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 10);
    drop(signal.send_robust(&()));
    assert_eq!(DROPPED.load(Ordering::Relaxed), 15);
}

#[test]
fn unit_responses_are_only_a_number() {
    let signal = Signal::<u32>::new();
    for index in 0..3_u32 {
        signal.connect(move |_, sent| assert_eq!(*sent, 5, "receiver {index}"));
    }
    assert_eq!(signal.send(&5).len(), 3);
    assert_eq!(*signal.send(&5), [(); 3]);
}

// send_until_err.

#[test]
fn send_until_err_gives_the_values_of_all() {
    let signal = Tried::new();
    let ids = [1, 2].map(|value| signal.connect(move |_, ()| Ok(value)).id());
    let responses = signal.send_until_err(&()).unwrap();
    assert_eq!(*responses, [1, 2]);
    assert_eq!(
        responses.into_pairs().collect::<Vec<_>>(),
        [(ids[0], 1), (ids[1], 2)]
    );
    assert!(Tried::new().send_until_err(&()).unwrap().is_empty());
}

#[test]
fn send_until_err_stops_at_the_first_error_and_names_its_receiver() {
    let signal = Tried::new();
    let ran = Arc::new(AtomicUsize::new(0));
    signal.connect(|_, ()| Ok(1));
    signal.connect(|_, ()| Ok(2));
    let refusing = signal.connect(|_, ()| Err("full".to_owned()));
    let later = Arc::clone(&ran);
    signal.connect(move |_, ()| Ok(later.fetch_add(1, Ordering::Relaxed) as u32));
    let error = signal.send_until_err(&()).unwrap_err();
    assert_eq!(*error.before, [1, 2]);
    assert_eq!(
        (error.receiver, error.error.as_str()),
        (refusing.id(), "full")
    );
    assert_eq!(ran.load(Ordering::Relaxed), 0);
    refusing.disconnect();
    assert_eq!(*signal.send_until_err(&()).unwrap(), [1, 2, 0]);
}

#[test]
fn send_until_err_counts_successes_without_content() {
    let signal = Signal::<(), Result<(), &'static str>>::new();
    signal.connect(|_, ()| Ok(()));
    assert_eq!(signal.send_until_err(&()).unwrap().len(), 1);
    signal.connect(|_, ()| Err("no"));
    let error = signal.send_until_err(&()).unwrap_err();
    assert_eq!((error.before.len(), error.error), (1, "no"));
}

// send_until.

#[test]
fn send_until_stops_at_the_first_that_satisfies() {
    let ran = Arc::new(AtomicUsize::new(0));
    let signal = Asked::new();
    let connections: Vec<_> = (0..4)
        .map(|value| {
            let ran = Arc::clone(&ran);
            signal.connect(move |_, ()| {
                ran.fetch_add(1, Ordering::Relaxed);
                value
            })
        })
        .collect();
    let response = signal.send_until(&(), |value| *value >= 2).unwrap();
    assert_eq!(
        (response.receiver, response.value),
        (connections[2].id(), 2)
    );
    assert_eq!(
        ran.swap(0, Ordering::Relaxed),
        3,
        "the fourth was not asked"
    );
    assert!(signal.send_until(&(), |value| *value > 9).is_none());
    assert_eq!(ran.load(Ordering::Relaxed), 4);
    assert!(Asked::new().send_until(&(), |_| true).is_none());
}

#[test]
fn send_until_returns_responses_that_are_not_copied() {
    let signal = Signal::<(), Box<str>>::new();
    signal.connect(|_, ()| "no".into());
    signal.connect(|_, ()| "yes".into());
    let response = signal.send_until(&(), |text| &**text == "yes").unwrap();
    assert_eq!(&*response.value, "yes");
}

// send_each.

#[test]
fn send_each_hands_over_every_response_with_its_receiver() {
    let (signal, connections) = asked([5, 6, 7]);
    let mut heard = Vec::new();
    let flow = signal.send_each(&(), |receiver, value| {
        heard.push((receiver, value));
        ControlFlow::<()>::Continue(())
    });
    assert!(flow.is_continue());
    let expected: Vec<_> = connections.iter().map(Connection::id).zip(5..).collect();
    assert_eq!(heard, expected);
}

#[test]
fn send_each_stops_at_a_break() {
    let (signal, connections) = asked([5, 6, 7]);
    let mut asked = 0;
    let flow = signal.send_each(&(), |receiver, value| {
        asked += 1;
        if value == 6 {
            ControlFlow::Break(receiver)
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!((flow, asked), (ControlFlow::Break(connections[1].id()), 2));
}

#[test]
fn send_each_hands_over_between_the_calls() {
    let signal = Signal::<Turn<'static>, usize>::new();
    for index in 0..3 {
        signal.connect(move |_, turn| turn.0.fetch_add(1, Ordering::Relaxed) * 10 + index);
    }
    let turn = AtomicUsize::new(0);
    let mut heard = Vec::new();
    let _ = signal.send_each(&Turn(&turn), |_, value| {
        heard.push((value, turn.fetch_add(1, Ordering::Relaxed)));
        ControlFlow::<()>::Continue(())
    });
    assert_eq!(heard, [(0, 1), (21, 3), (42, 5)]);
}

// send_robust.

#[test]
fn a_robust_send_has_a_result_for_each_receiver_in_order() {
    let signal = Tried::new();
    signal.connect(|_, ()| Ok(1));
    let broken = signal
        .options()
        .name("broken")
        .connect(|_, ()| panic!("by panic"));
    signal.connect(|_, ()| Err("by value".to_owned()));
    let responses = signal.send_robust(&());
    assert_eq!(
        (responses.len(), responses.is_empty(), responses.all_ok()),
        (3, false, false)
    );
    let told: Vec<_> = responses
        .iter()
        .map(|result| {
            result
                .map_err(|failure| failure.message().to_owned())
                .cloned()
        })
        .collect();
    assert_eq!(
        told,
        [
            Ok(Ok(1)),
            Err("by panic".to_owned()),
            Ok(Err("by value".to_owned()))
        ]
    );
    let failures: Vec<_> = responses
        .panics()
        .map(|failure| (failure.receiver(), failure.name().to_owned()))
        .collect();
    assert_eq!(failures, [(broken.id(), "broken".to_owned())]);
    let owned: Vec<_> = responses.into_iter().map(|result| result.is_ok()).collect();
    assert_eq!(owned, [true, false, true]);
}

#[test]
fn a_robust_send_without_failures_is_all_ok_even_if_errors_were_returned() {
    let signal = Tried::new();
    signal.connect(|_, ()| Err("by value".to_owned()));
    let responses = signal.send_robust(&());
    assert!(responses.all_ok());
    assert_eq!(responses.panics().count(), 0);
    assert_eq!(
        responses.into_iter().next().unwrap().unwrap(),
        Err("by value".to_owned())
    );
}

#[test]
fn a_robust_send_of_unit_counts_and_keeps_the_failures() {
    let signal = Signal::<()>::new();
    let failing: Vec<_> = (0..6)
        .map(|index| signal.connect(move |_, ()| assert!(index % 3 != 1, "receiver {index}")))
        .filter(|connection| connection.is_connected())
        .collect();
    let responses = signal.send_robust(&());
    assert_eq!(
        (
            responses.len(),
            responses.iter().filter(Result::is_err).count()
        ),
        (6, 2)
    );
    let shape: Vec<_> = responses.iter().map(|result| result.is_ok()).collect();
    assert_eq!(shape, [true, false, true, true, false, true]);
    let failures: Vec<_> = responses
        .panics()
        .map(|failure| (failure.receiver(), failure.message().to_owned()))
        .collect();
    assert_eq!(
        failures,
        [
            (failing[1].id(), "receiver 1".to_owned()),
            (failing[4].id(), "receiver 4".to_owned())
        ]
    );
    assert_eq!(
        responses
            .into_iter()
            .map(|result| result.is_ok())
            .collect::<Vec<_>>(),
        shape
    );
}

// Every way of sending walks the same receivers in the same order.

#[test]
fn every_way_of_sending_agrees_with_a_plain_list() {
    let signal = Asked::new();
    let mut random = 1_u64;
    let mut next = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut plain: Vec<(i32, u32, u64, Connection)> = Vec::new();
    for number in 0..1_000 {
        let (priority, sender) = (next(5) as i32 - 2, next(4));
        let options = signal.options().priority(priority);
        let options = if sender == 0 {
            options
        } else {
            options.sender(sender)
        };
        plain.push((
            priority,
            number,
            sender,
            options.connect(move |_, ()| number),
        ));
        if next(3) == 0 {
            let (.., connection) = plain.swap_remove(next(plain.len() as u64) as usize);
            assert!(connection.disconnect());
        }
        if number % 50 == 49 {
            plain.sort_by_key(|(priority, number, ..)| (-priority, *number));
            (1..=4).for_each(|sender| assert_walks(&signal, sender, &plain));
        }
    }
}

fn assert_walks(signal: &Asked, sender: u64, plain: &[(i32, u32, u64, Connection)]) {
    let matching = plain
        .iter()
        .filter(|(_, _, of, _)| *of == 0 || *of == sender);
    let (ids, values): (Vec<_>, Vec<_>) = matching
        .map(|(_, number, _, connection)| (connection.id(), *number))
        .unzip();
    let pairs: Vec<_> = ids.iter().copied().zip(values.iter().copied()).collect();
    assert_eq!(
        signal
            .from(sender)
            .send(&())
            .into_pairs()
            .collect::<Vec<_>>(),
        pairs
    );
    assert_eq!(
        signal
            .from(sender)
            .send_robust(&())
            .into_iter()
            .map(Result::unwrap)
            .collect::<Vec<_>>(),
        values
    );
    let mut each = Vec::new();
    let _ = signal.from(sender).send_each(&(), |id, value| {
        each.push((id, value));
        ControlFlow::<()>::Continue(())
    });
    assert_eq!(each, pairs);
    let mut until = Vec::new();
    assert!(
        signal
            .from(sender)
            .send_until(&(), |value| {
                until.push(*value);
                false
            })
            .is_none()
    );
    assert_eq!(until, values);
    let mut emitter = signal.emitter();
    assert_eq!(
        emitter
            .from(sender)
            .send(&())
            .into_pairs()
            .collect::<Vec<_>>(),
        pairs
    );
    assert_eq!(
        emitter
            .from(sender)
            .send_robust(&())
            .into_iter()
            .map(Result::unwrap)
            .collect::<Vec<_>>(),
        values
    );
}

#[test]
fn an_emitter_sees_every_change_made_before_its_send() {
    let signal = Asked::new();
    let mut emitter = signal.emitter();
    assert!(emitter.send(&()).is_empty());
    for value in 0..5 {
        let connection = signal.connect(move |_, ()| value);
        assert_eq!(*emitter.send(&()), [value]);
        connection.disconnect();
        assert!(emitter.send(&()).is_empty());
        if value % 2 == 0 {
            emitter.release();
        }
    }
    signal.connect(|_, ()| 9);
    let mut heard = Vec::new();
    let _ = emitter.send_each(&(), |_, value| {
        heard.push(value);
        ControlFlow::<()>::Continue(())
    });
    assert_eq!(heard, [9]);
}

fn asked<const N: usize>(values: [u32; N]) -> (Asked, Vec<Connection>) {
    let signal = Asked::new();
    let connections = values.map(|value| signal.connect(move |_, ()| value));
    (signal, connections.into())
}

#[test]
fn a_loop_over_borrowed_responses_leaves_them() {
    let signal = Signal::<u32, u32>::new();
    signal.connect(|_, n| n + 1);
    signal.connect(|_, n| n + 2);
    let responses = signal.send(&1);
    let mut seen = Vec::new();
    for response in &responses {
        seen.push(*response);
    }
    assert_eq!(seen, [2, 3]);
    assert_eq!(responses.into_iter().collect::<Vec<_>>(), seen);
}
