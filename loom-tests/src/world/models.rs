//! The models.

use std::time::Duration;

use super::signal::{Connection, Sent, Signal, Waited};
use super::sync::{Arc, Ground, spawn, this_thread};
use super::table::{Life, Slot, Target};
use crate::harness::Model;

/// A duration without end.
pub(super) const EVER: Duration = Duration::MAX;

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

fn sent(sent: Sent) -> &'static str {
    match sent {
        Sent::Idle => "idle",
        Sent::Unpublished => "unpublished",
        Sent::Called(_) => "called",
    }
}

pub(super) fn letters(numbers: &[u64]) -> String {
    let letter = |number: &u64| char::from(b'A' + u8::try_from(number - 1).unwrap());
    numbers.iter().map(letter).collect()
}

/// The signal goes, and every receiver with it, once.
pub(super) fn end(
    signal: Signal,
    connections: impl IntoIterator<Item = Connection>,
    lives: &[&Life],
) {
    drop(Vec::from_iter(connections));
    drop(signal);
    for life in lives {
        assert_eq!(life.ended(), 1, "each receiver is dropped once");
    }
}

models! {
    /// A send meets a connect: it calls a whole receiver or none.
    connect_vs_send -> ["idle", "unpublished", "called"] {
        let signal = Signal::new();
        let a = Life::new();
        let sender = signal.clone();
        let sending = spawn(move || sender.send());
        let connection = signal.connect(Slot::new(1, &a));
        let outcome = sent(sending.join());
        assert_eq!(signal.send().numbers(), [1]);
        end(signal, [connection], &[&a]);
        outcome
    }

    /// A send meets a disconnect: the receiver that stays is called whatever happens.
    disconnect_vs_send -> ["A", "AB"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let first = signal.connect(Slot::new(1, &a));
        let second = signal.connect(Slot::new(2, &b));
        let sender = signal.clone();
        let sending = spawn(move || sender.send());
        assert!(second.disconnect());
        assert_eq!(signal.send().numbers(), [1]);
        let outcome = letters(&sending.join().numbers());
        assert!(!second.disconnect());
        end(signal, [first, second], &[&a, &b]);
        outcome
    }

    /// Two connects meet: neither undoes the other.
    connect_vs_connect -> ["A", "AB"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let (other, its_life) = (signal.clone(), a.clone());
        let connecting = spawn(move || {
            let connection = other.connect(Slot::new(1, &its_life));
            (connection, other.published())
        });
        let second = signal.connect(Slot::new(2, &b));
        let (first, then) = connecting.join();
        assert_eq!(signal.published(), [1, 2], "neither is undone");
        assert_eq!(signal.send().numbers(), [1, 2]);
        end(signal, [first, second], &[&a, &b]);
        letters(&then)
    }

    /// A change that replaces a receiver and a send meet: the send finds one of the two receivers.
    replace_vs_send -> ["A", "B"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let first = signal.connect(Slot::new(1, &a));
        let (other, its_life) = (signal.clone(), b.clone());
        let changing = spawn(move || {
            let second = other.replace(&first, Slot::new(2, &its_life));
            (first, second)
        });
        let sent = letters(&signal.send().numbers());
        assert_eq!(sent.len(), 1, "both receivers or neither: {sent:?}");
        let (first, second) = changing.join();
        assert_eq!(signal.send().numbers(), [2]);
        end(signal, [first, second], &[&a, &b]);
        sent
    }

    /// Two connects of one key meet: exactly one is new, and both handles are of that one.
    same_key_twice -> ["first", "second"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let (other, its_life) = (signal.clone(), a.clone());
        let connecting = spawn(move || other.connect(Slot::new(1, &its_life).key(7)));
        let second = signal.connect(Slot::new(2, &b).key(7));
        let first = connecting.join();
        assert!(first.is_new != second.is_new, "exactly one is new");
        assert_eq!(first.number, second.number);
        assert_eq!(signal.send().numbers(), [first.number]);
        let outcome = if first.is_new { "first" } else { "second" };
        end(signal, [first, second], &[&a, &b]);
        outcome
    }

    /// A connect, a disconnect and a send meet: the send sees the table before, between or
    /// after the two, whichever of them is first.
    connect_vs_disconnect_vs_send -> ["", "A", "B", "AB"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let first = signal.connect(Slot::new(1, &a));
        let (other, its_life) = (signal.clone(), b.clone());
        let connecting = spawn(move || other.connect(Slot::new(2, &its_life)));
        let disconnecting = spawn(move || {
            assert!(first.disconnect());
            first
        });
        let outcome = letters(&signal.send().numbers());
        let (second, first) = (connecting.join(), disconnecting.join());
        assert_eq!(signal.published(), [2], "neither is undone");
        assert_eq!(signal.send().numbers(), [2]);
        end(signal, [first, second], &[&a, &b]);
        outcome
    }

    /// Two sends meet a once-only receiver: it runs once, and nothing of it is left.
    once_vs_two_sends -> ["here", "there"] {
        let signal = Signal::new();
        let a = Life::new();
        let connection = signal.connect(Slot::new(1, &a).once());
        let sender = signal.clone();
        let sending = spawn(move || sender.send().numbers());
        let here = signal.send().numbers();
        let there = sending.join();
        assert_eq!([&here[..], &there].concat(), [1], "runs exactly once");
        assert_eq!(a.calls(), 1, "runs exactly once");
        assert!(!connection.is_connected());
        assert_eq!(signal.send(), Sent::Idle, "one of the two has discarded it");
        end(signal, [connection], &[&a]);
        if here.is_empty() { "there" } else { "here" }
    }

    /// A spent receiver and a connect of its key meet: the key is free once it is spent.
    spent_key_vs_connect -> ["held", "free", "known to be free"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let first = signal.connect(Slot::new(1, &a).key(7).once());
        let sender = signal.clone();
        let sending = spawn(move || sender.send().numbers());
        let is_free = !first.is_connected();
        let second = signal.connect(Slot::new(2, &b).key(7));
        let called = sending.join();
        assert_eq!(a.calls(), 1);
        let then = signal.send().numbers();
        if second.is_new {
            assert_eq!(then, [2]);
            assert!(called == [1] || called == [1, 2]);
        } else {
            assert!(!is_free, "a spent receiver keeps its key");
            assert_eq!(then, []);
        }
        let outcome = match (second.is_new, is_free) {
            (true, true) => "known to be free",
            (true, false) => "free",
            (false, _) => "held",
        };
        end(signal, [first, second], &[&a, &b]);
        outcome
    }

    /// The last owner of a weak receiver's target drops it during a send: if it lives when
    /// the first receiver runs, it lives when its own turn comes.
    weak_drop_vs_send -> ["called", "dead"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let target = Arc::new(Target(Ground::new()));
        let seen = Arc::downgrade(&target);
        let first = signal.connect(Slot::new(1, &a));
        let second = signal.connect(Slot::new(2, &b).weak(&target));
        let dropping = spawn(move || drop(target));
        let mut alive = false;
        let sent = signal.send_with(|number| {
            if number == 1 {
                alive = seen.strong_count() > 0;
            }
        });
        dropping.join();
        let called = sent.numbers() == [1, 2];
        assert_eq!(called, alive, "pinned before the first call");
        assert_eq!(signal.send().numbers(), [1]);
        assert_eq!(signal.hub().purged(), 1);
        end(signal, [first, second], &[&a, &b]);
        if called { "called" } else { "dead" }
    }

    /// Two sends find a dead weak receiver: it is discarded, and counted, once.
    dead_weak_vs_two_sends -> ["called called", "called dead", "dead dead"] {
        let signal = Signal::new();
        let a = Life::new();
        let target = Arc::new(Target(Ground::new()));
        let connection = signal.connect(Slot::new(1, &a).weak(&target));
        let sender = signal.clone();
        let sending = spawn(move || {
            drop(target);
            sender.send().numbers()
        });
        let here = signal.send().numbers();
        let there = sending.join();
        assert_eq!(signal.send().numbers(), []);
        assert_eq!(signal.hub().purged(), 1, "counted once");
        assert_eq!(signal.send(), Sent::Idle);
        end(signal, [connection], &[&a]);
        let outcome = |called: Vec<u64>| if called.is_empty() { "dead" } else { "called" };
        format!("{} {}", outcome(here), outcome(there))
    }

    /// A purge and a connect of the dead receiver's key meet: one of them takes it out.
    purge_vs_connect -> ["purged", "replaced"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let target = Arc::new(Target(Ground::new()));
        let first = signal.connect(Slot::new(1, &a).key(7).weak(&target));
        drop(target);
        let other = signal.clone();
        let purging = spawn(move || other.hub().purge());
        let second = signal.connect(Slot::new(2, &b).key(7));
        let purged = purging.join();
        assert!(second.is_new);
        assert_eq!(signal.published(), [2], "neither is undone");
        assert_eq!(signal.send().numbers(), [2]);
        assert_eq!(signal.hub().purged(), 1, "counted once");
        end(signal, [first, second], &[&a, &b]);
        if purged == 1 { "purged" } else { "replaced" }
    }

    /// A send that meets a dead receiver and a connect meet: the send does not wait, and the
    /// connect is not undone.
    discard_vs_connect -> ["discarded", "left"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let target = Arc::new(Target(Ground::new()));
        let first = signal.connect(Slot::new(1, &a).weak(&target));
        drop(target);
        let (other, its_life) = (signal.clone(), b.clone());
        let connecting = spawn(move || other.connect(Slot::new(2, &its_life)));
        signal.send();
        let second = connecting.join();
        assert_eq!(a.calls(), 0);
        let outcome = match signal.published()[..] {
            [2] => "discarded",
            [1, 2] => "left",
            ref other => panic!("the connect was undone: {other:?}"),
        };
        assert_eq!(signal.send().numbers(), [2]);
        assert_eq!(signal.published(), [2]);
        assert_eq!(signal.hub().purged(), 1, "counted once");
        end(signal, [first, second], &[&a, &b]);
        outcome
    }

    /// The disconnect of the last receiver and a connect meet: a send never reads "no table" while
    /// there is a table.
    last_disconnect_vs_connect -> ["", "B"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let first = signal.connect(Slot::new(1, &a));
        let other = signal.clone();
        let disconnecting = spawn(move || {
            assert!(first.disconnect());
            (first, other.published())
        });
        let second = signal.connect(Slot::new(2, &b));
        assert!(signal.send().numbers().contains(&2), "nobody finds it");
        let (first, then) = disconnecting.join();
        assert_eq!(signal.send().numbers(), [2], "nobody finds it");
        assert!(second.disconnect());
        assert_eq!(signal.send(), Sent::Idle);
        end(signal, [first, second], &[&a, &b]);
        letters(&then)
    }

    /// Two sends of one thread meet a disconnect and then a connect: the second never finds a
    /// receiver that had gone before those that the first found.
    sends_never_go_back -> ["A then A", "A then ", "A then B", " then ", " then B", "B then B"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let first = signal.connect(Slot::new(1, &a));
        let sender = signal.clone();
        let sending = spawn(move || {
            let before = letters(&sender.send().numbers());
            let then = letters(&sender.send().numbers());
            format!("{before} then {then}")
        });
        // On two threads: the end of a change orders the next changes of the same thread.
        let disconnecting = spawn(move || {
            assert!(first.disconnect());
            first
        });
        let first = disconnecting.join();
        let second = signal.connect(Slot::new(2, &b));
        let outcome = sending.join();
        end(signal, [first, second], &[&a, &b]);
        outcome
    }

    /// A send meets a connect and the freeze after it: it calls the receivers from before or
    /// after the connect, and later sends never fewer.
    freeze_vs_send -> ["A then A", "A then AB", "AB then AB"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let first = signal.connect(Slot::new(1, &a));
        let (other, its_life) = (signal.clone(), b.clone());
        let freezing = spawn(move || {
            let second = other.connect(Slot::new(2, &its_life));
            other.freeze();
            second
        });
        let before = letters(&signal.send().numbers());
        let then = letters(&signal.send().numbers());
        let second = freezing.join();
        assert_eq!(signal.send().numbers(), [1, 2], "the last table");
        assert_eq!(signal.published(), [1, 2]);
        end(signal, [first, second], &[&a, &b]);
        format!("{before} then {then}")
    }

    /// A freeze meets a connect: exactly one is first. A connect that is refused leaves nothing,
    /// and sends call a receiver that was connected.
    freeze_vs_connect -> ["connected", "refused"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let first = signal.connect(Slot::new(1, &a));
        let other = signal.clone();
        let freezing = spawn(move || other.freeze());
        let second = signal.try_connect(Slot::new(2, &b));
        let sent = signal.send().numbers();
        freezing.join();
        let (outcome, expected): (_, &[u64]) = match &second {
            Ok(_) => ("connected", &[1, 2]),
            Err(_) => ("refused", &[1]),
        };
        assert_eq!(sent, expected, "exactly one is first");
        assert_eq!(signal.send().numbers(), expected, "exactly one is first");
        assert_eq!(signal.published(), expected, "exactly one is first");
        assert_eq!(signal.last().as_deref(), Some(expected), "no change after the freeze");
        assert_eq!(b.ended(), usize::from(second.is_err()), "a refused receiver is dropped");
        assert!(first.try_disconnect().is_err());
        let connections = [Ok(first), second].into_iter().flatten();
        end(signal, connections, &[&a, &b]);
        outcome
    }

    /// A freeze meets the disconnect of the last receiver: exactly one is first.
    freeze_vs_disconnect -> ["disconnected", "refused"] {
        let signal = Signal::new();
        let a = Life::new();
        let first = signal.connect(Slot::new(1, &a));
        let other = signal.clone();
        let freezing = spawn(move || other.freeze());
        let (outcome, expected): (_, &[u64]) = match first.try_disconnect() {
            Ok(disconnected) => {
                assert!(disconnected);
                ("disconnected", &[])
            }
            Err(_) => ("refused", &[1]),
        };
        freezing.join();
        assert_eq!(signal.send().numbers(), expected, "exactly one is first");
        assert_eq!(signal.published(), expected, "exactly one is first");
        assert!(signal.try_connect(Slot::new(2, &Life::new())).is_err(), "frozen in any case");
        end(signal, [first], &[&a]);
        outcome
    }

    /// Two threads each connect to one signal and then send the other: one calls the other's
    /// receiver, because a change ends with a fence. Nothing promises that.
    each_connects_then_sends_the_other -> ["one", "both"] {
        let (left, right) = (Signal::new(), Signal::new());
        let (a, b) = (Life::new(), Life::new());
        let (its_left, its_right, its_life) = (left.clone(), right.clone(), a.clone());
        let other = spawn(move || {
            let connection = its_left.connect(Slot::new(1, &its_life));
            (connection, its_right.send().numbers())
        });
        let second = right.connect(Slot::new(1, &b));
        let mut called = left.send().numbers();
        let (first, by_other) = other.join();
        called.extend(by_other);
        end(left, [first], &[&a]);
        end(right, [second], &[&b]);
        ["neither", "one", "both"][called.len()]
    }

    /// A wait for quiet meets a send: when it returns, the receiver does not run, will not
    /// run, and all that it did is done.
    wait_vs_send -> ["missed, seen", "called, seen"] {
        let signal = Signal::new();
        let a = Life::new();
        let connection = signal.connect(Slot::new(1, &a));
        let sender = signal.clone();
        let sending = spawn(move || sender.send().numbers());
        assert_eq!(connection.disconnect_and_wait(EVER), Waited::Seen);
        a.take_away();
        a.take_over();
        let outcome = if sending.join() == [1] { "called, seen" } else { "missed, seen" };
        end(signal, [connection], &[&a]);
        outcome
    }

    /// The model of `wait_vs_send`, in which the sending thread also disconnects, and so may end
    /// the receiver before the wait begins.
    wait_vs_send_and_disconnect -> ["gone", "seen"] {
        let signal = Signal::new();
        let a = Life::new();
        let connection = std::sync::Arc::new(signal.connect(Slot::new(1, &a)));
        let (sender, its_connection) = (signal.clone(), connection.clone());
        let sending = spawn(move || {
            sender.send();
            its_connection.disconnect();
        });
        let outcome = match connection.disconnect_and_wait(EVER) {
            Waited::Gone => "gone",
            Waited::Seen => {
                a.take_over();
                "seen"
            }
            Waited::Timeout => unreachable!("it waits as long as it takes"),
        };
        a.take_away();
        sending.join();
        drop(connection);
        end(signal, [], &[&a]);
        outcome
    }

    /// A wait that does not block meets a send: it reports whether the receiver has gone.
    impatient_wait_vs_send -> ["seen", "timeout"] {
        let signal = Signal::new();
        let a = Life::new();
        let connection = signal.connect(Slot::new(1, &a));
        let sender = signal.clone();
        let sending = spawn(move || sender.send().numbers());
        let outcome = match connection.disconnect_and_wait(Duration::ZERO) {
            Waited::Gone => unreachable!("nobody else disconnects it"),
            Waited::Seen => {
                a.take_away();
                a.take_over();
                "seen"
            }
            Waited::Timeout => "timeout",
        };
        assert_eq!(signal.send().numbers(), [], "disconnected in any case");
        sending.join();
        signal.hub().free_retired();
        assert_eq!(a.ended(), 1);
        end(signal, [connection], &[&a]);
        outcome
    }

    /// A send meets a disconnect: the thread that changes the signal frees the receiver, and not
    /// the send.
    free_vs_send -> ["missed, at once", "called, at once", "called, by the next change"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let first = signal.connect(Slot::new(1, &a));
        let sender = signal.clone();
        let sending = spawn(move || (sender.send().numbers(), this_thread()));
        assert!(first.disconnect());
        let is_freed = a.ended() == 1;
        let (called, sender) = sending.join();
        let second = signal.connect(Slot::new(2, &b));
        assert_eq!(a.ended(), 1, "the next change frees it");
        assert!(!a.is_ended_by(sender), "a send frees nothing");
        end(signal, [first, second], &[&a, &b]);
        let called = if called.is_empty() { "missed" } else { "called" };
        let freed = if is_freed { "at once" } else { "by the next change" };
        format!("{called}, {freed}")
    }

    /// A send spends a once-only receiver while a writer is at work: one of the two takes it out.
    once_vs_connect -> ["first", "both"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let first = signal.connect(Slot::new(1, &a).once());
        let sender = signal.clone();
        let sending = spawn(move || sender.send().numbers());
        let second = signal.connect(Slot::new(2, &b));
        let called = sending.join();
        assert_eq!(signal.published(), [2], "a spent receiver is left");
        end(signal, [first, second], &[&a, &b]);
        if called == [1] { "first" } else { "both" }
    }

    /// Two threads wait for the same receiver during a send: both return.
    two_waits_vs_send -> ["seen seen", "seen gone", "gone seen"] {
        let signal = Signal::new();
        let a = Life::new();
        let connection = std::sync::Arc::new(signal.connect(Slot::new(1, &a)));
        let sender = signal.clone();
        let sending = spawn(move || sender.send().numbers());
        let wait = |connection: &Connection, life: &Life| {
            let waited = connection.disconnect_and_wait(EVER);
            if waited == Waited::Seen {
                life.look_back();
            }
            waited
        };
        let (its_connection, its_life) = (connection.clone(), a.clone());
        let waiting = spawn(move || wait(&its_connection, &its_life));
        let here = wait(&connection, &a);
        let there = waiting.join();
        a.take_away();
        sending.join();
        drop(connection);
        end(signal, [], &[&a]);
        let name = |waited| if waited == Waited::Seen { "seen" } else { "gone" };
        format!("{} {}", name(here), name(there))
    }

    /// A thread that finds a receiver disconnected does not call it in the send that follows.
    not_connected_then_send -> ["connected", "not connected"] {
        let signal = Signal::new();
        let a = Life::new();
        let connection = std::sync::Arc::new(signal.connect(Slot::new(1, &a)));
        let its_connection = connection.clone();
        let disconnecting = spawn(move || its_connection.disconnect());
        let outcome = if connection.is_connected() {
            "connected"
        } else {
            assert_eq!(signal.send().numbers(), [], "called, though not connected before");
            "not connected"
        };
        disconnecting.join();
        drop(connection);
        end(signal, [], &[&a]);
        outcome
    }
}
