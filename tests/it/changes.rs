//! `Signal::change` and handles to many connections: one publication for all of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use fanfare::connections::{Changes, Connections};
use fanfare::error::{DisconnectError, WaitError};
use fanfare::{Connection, Identity, Sender, Signal};

type Asked = Signal<(), u32>;

fn one(_: Sender<'_>, (): &()) -> u32 {
    1
}

fn two(_: Sender<'_>, (): &()) -> u32 {
    2
}

/// Runs `work` while two threads send, and checks with `check` what each send returned.
fn while_sending(signal: &Asked, check: fn(&[u32]), work: impl FnOnce()) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    check(&signal.send(&()));
                }
            });
        }
        work();
        done.store(true, Ordering::Release);
    });
}

#[test]
fn a_send_finds_the_old_receivers_or_the_new_ones_but_never_both_or_neither() {
    let signal = Asked::new();
    let mut current = signal.change(|changes| {
        changes.connect(move |_, ()| 0);
        changes.connect(move |_, ()| 0);
    });
    let check = |responses: &[u32]| match responses {
        [first, second] => assert_eq!(first, second),
        other => panic!("{other:?}"),
    };
    while_sending(&signal, check, || {
        for round in 1..1_000 {
            current = signal.change(|changes| {
                changes.disconnect_each(&current);
                changes.connect(move |_, ()| round);
                changes.connect(move |_, ()| round);
            });
        }
    });
    assert_eq!(*signal.send(&()), [999, 999]);
    assert_eq!(signal.receiver_count(), 2);
}

#[test]
fn a_change_makes_its_steps_in_their_order() {
    let signal = Asked::new();
    let gone = signal.change(|changes| {
        changes.connect(one);
        changes.disconnect(one);
    });
    assert!(signal.send(&()).is_empty());
    assert!(gone[0].is_new() && !gone[0].is_connected());

    let first = signal.connect(one);
    let again = signal.change(|changes| {
        changes.disconnect(one);
        changes.options().priority(3).connect(one);
        changes.connect(one);
    });
    assert!(!first.is_connected() && again[0].is_new() && !again[1].is_new());
    assert_eq!(again[1].id(), again[0].id());
    assert_eq!(signal.connections()[0].priority, 3);
    assert_eq!(signal.receiver_count(), 1);
}

#[test]
fn a_disconnect_of_a_change_reaches_the_receivers_of_that_change_too() {
    let signal = Asked::new();
    let identity = Identity::new();
    let fill = |changes: &mut Changes<(), u32>| {
        changes.connect(one);
        changes.options().sender("a").connect(two);
        changes
            .options()
            .sender(&identity)
            .dispatch_uid("u")
            .connect(one);
        changes.options().dispatch_uid("u").connect(two);
    };
    let left = |disconnect: fn(&mut Changes<(), u32>)| {
        signal.disconnect_all();
        fill_and(&signal, &fill, disconnect);
        signal.receiver_count()
    };
    assert_eq!(left(|_| ()), 4);
    assert_eq!(left(|changes| changes.disconnect_all()), 0);
    assert_eq!(left(|changes| changes.disconnect_sender("a")), 3);
    assert_eq!(left(|changes| changes.disconnect_sender(Sender::NONE)), 2);
    assert_eq!(left(|changes| changes.disconnect_uid("u")), 3);
    assert_eq!(left(|changes| changes.disconnect(one)), 3);
    assert_eq!(
        left(|changes| changes.options().sender("a").disconnect(two)),
        3
    );

    // The same, of receivers that were connected before.
    signal.disconnect_all();
    let connections = signal.change(fill);
    signal.change(|changes| {
        changes.disconnect_id(connections[0].id());
        changes.disconnect_sender(&identity);
    });
    assert_eq!(*signal.from("a").send(&()), [2, 2]);
}

fn fill_and(
    signal: &Asked,
    fill: &dyn Fn(&mut Changes<(), u32>),
    then: impl FnOnce(&mut Changes<(), u32>),
) {
    signal.change(|changes| {
        fill(changes);
        then(changes);
    });
}

#[test]
fn a_change_refuses_a_connection_of_another_signal_and_changes_nothing() {
    let (signal, other) = (Asked::new(), Asked::new());
    let ours = signal.connect(one);
    let theirs = other.connect(one);
    let of_another_type = Signal::<u8>::new().connect(|_, _| ());
    let refused = catch_unwind(AssertUnwindSafe(|| {
        signal.change(|changes| changes.disconnect_each([&ours, &theirs]))
    }));
    let message = *refused.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(
        message,
        format!(
            "receiver {} is connected to another signal: disconnect it there",
            theirs.id()
        )
    );
    assert!(ours.is_connected() && theirs.is_connected());
    // Its signal is gone, and the receiver with it.
    signal.change(|changes| changes.disconnect_each([&of_another_type]));
    let living = Signal::<u8>::new();
    let of_another_type = living.connect(|_, _| ());
    let refused = catch_unwind(AssertUnwindSafe(|| {
        signal.change(|changes| changes.disconnect_each([&of_another_type]))
    }));
    assert!(refused.is_err() && of_another_type.is_connected());
}

#[test]
fn a_change_of_a_frozen_signal_is_refused_with_the_place_of_the_freeze() {
    let signal = Asked::new();
    let kept = signal.connect(one);
    signal.freeze();
    let at = signal.frozen_at().unwrap();
    let token = Arc::new(());
    let held = Arc::clone(&token);
    let refused = catch_unwind(AssertUnwindSafe(|| {
        signal.change(|changes| {
            changes.disconnect_each([&kept]);
            changes.connect(move |_, ()| Arc::strong_count(&held) as u32);
        })
    }));
    let message = *refused.unwrap_err().downcast::<String>().unwrap();
    let expected = format!(
        "the receivers were not changed because the signal was frozen at {at}: change them before \
         `freeze`"
    );
    assert_eq!(message, expected);
    assert_eq!(
        Arc::strong_count(&token),
        1,
        "the refused receiver is dropped"
    );
    assert_eq!(*signal.send(&()), [1]);
}

#[test]
fn connections_of_several_signals_are_disconnected_together() {
    let (first, second) = (Asked::new(), Signal::<u8>::new());
    let mut all: Connections = ["a", "b", "c"]
        .into_iter()
        .map(|name| first.options().sender(name).connect(one))
        .collect();
    all.extend([second.connect(|_, _| ())]);
    assert!(all[0].disconnect());
    assert_eq!(all.len(), 4);
    assert_eq!(all.disconnect(), 3);
    assert_eq!(all.disconnect(), 0);
    assert_eq!((first.receiver_count(), second.receiver_count()), (0, 0));
    assert_eq!(Connections::default().disconnect(), 0);
}

#[test]
fn the_connections_of_one_signal_are_disconnected_in_one_publication() {
    let signal = Asked::new();
    let check = |responses: &[u32]| assert!(matches!(responses.len(), 0 | 20), "{responses:?}");
    while_sending(&signal, check, || {
        for _ in 0..500 {
            let all = signal.change(|changes| {
                (0..20).for_each(|number| changes.connect(move |_, ()| number));
            });
            assert_eq!(all.disconnect(), 20);
        }
    });
}

#[test]
fn connections_of_a_frozen_signal_stay_and_the_others_are_disconnected() {
    let (frozen, living) = (Asked::new(), Asked::new());
    let all: Connections = [
        frozen.connect(one),
        living.connect(one),
        living.connect(two),
    ]
    .into_iter()
    .collect();
    frozen.freeze();
    let error = all.try_disconnect().unwrap_err();
    assert!(matches!(error, DisconnectError::Frozen { at, .. } if Some(at) == frozen.frozen_at()));
    assert_eq!((frozen.receiver_count(), living.receiver_count()), (1, 0));
    let waited = all.disconnect_and_wait(Duration::from_secs(60));
    assert!(matches!(waited, Err(WaitError::Frozen { .. })));
    drop(all.clone().scoped());
    assert!(catch_unwind(AssertUnwindSafe(|| all.disconnect())).is_err());
    assert!(all[0].is_connected());

    // A receiver that was out before the freeze is no error.
    let out = Asked::new();
    let gone: Connections = out.connect(one).into();
    gone.disconnect();
    out.freeze();
    assert_eq!(gone.try_disconnect(), Ok(0));
}

#[test]
fn a_scope_disconnects_its_connections_unless_they_are_kept() {
    let signal = Asked::new();
    let both = || {
        signal.change(|changes| {
            changes.connect(one);
            changes.connect(two);
        })
    };
    {
        let scoped = both().scoped();
        assert_eq!((scoped.len(), signal.receiver_count()), (2, 2));
    }
    assert_eq!(signal.receiver_count(), 0);
    let kept = both().scoped().keep();
    assert_eq!((kept.len(), signal.receiver_count()), (2, 2));
}

#[test]
fn a_wait_for_connections_ends_when_none_of_them_runs() {
    static SIGNAL: Asked = Asked::new();
    static GATE: Mutex<()> = Mutex::new(());
    let (inside, is_inside) = mpsc::channel();
    let all = SIGNAL.change(|changes| {
        changes.connect(one);
        changes.connect(move |_, ()| {
            inside.send(()).unwrap();
            drop(GATE.lock().unwrap());
            2
        });
    });
    let closed = GATE.lock().unwrap();
    let sending = thread::spawn(|| SIGNAL.send(&()).len());
    is_inside.recv().unwrap();
    let timeout = Duration::from_millis(20);
    let waited = all.disconnect_and_wait(timeout);
    assert!(
        matches!(waited, Err(WaitError::Timeout { waited, .. }) if waited == timeout),
        "{waited:?}"
    );
    drop(closed);
    assert_eq!(all.disconnect_and_wait(Duration::from_secs(60)), Ok(()));
    assert_eq!(sending.join().unwrap(), 2);
}

#[test]
fn a_wait_for_connections_ends_after_the_destructor_that_another_thread_runs() {
    static FIRST: Asked = Asked::new();
    static SECOND: Asked = Asked::new();
    /// Its destructor waits until it may end.
    struct Slow(mpsc::Sender<()>, Arc<Mutex<()>>, Arc<AtomicBool>);
    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            drop(self.1.lock().unwrap());
            self.2.store(true, Ordering::Release);
        }
    }
    /// Connects a receiver that waits inside its first send until the gate is open.
    fn waiting(
        signal: &Asked,
        gate: &Arc<Mutex<()>>,
        inside: &mpsc::Sender<()>,
        captured: Option<Slow>,
    ) -> fanfare::Connection {
        let (gate, inside) = (Arc::clone(gate), inside.clone());
        let held = Mutex::new((inside, captured));
        signal.connect(move |_, ()| {
            held.lock().unwrap().0.send(()).unwrap();
            drop(gate.lock().unwrap());
            1
        })
    }
    let gates = [(); 3].map(|()| Arc::new(Mutex::new(())));
    let [of_first, of_second, of_destructor] = gates.each_ref().map(|gate| gate.lock().unwrap());
    let (inside, is_inside) = mpsc::channel();
    let (destroying, is_destroying) = mpsc::channel();
    let is_over = Arc::new(AtomicBool::new(false));
    let slow = Slow(destroying, Arc::clone(&gates[2]), Arc::clone(&is_over));
    let all: Connections = [
        waiting(&SECOND, &gates[1], &inside, None),
        waiting(&FIRST, &gates[0], &inside, Some(slow)),
    ]
    .into_iter()
    .collect();
    let to_first = thread::spawn(|| FIRST.send(&()).len());
    let to_second = thread::spawn(|| SECOND.send(&()).len());
    is_inside.recv().unwrap();
    is_inside.recv().unwrap();

    let (waited, has_waited) = mpsc::channel();
    let waiter = all.clone();
    thread::spawn(move || waited.send(waiter.disconnect_and_wait(Duration::from_secs(60))));
    while all.iter().any(|it| it.is_connected()) {
        thread::yield_now();
    }
    drop(of_first);
    to_first.join().unwrap();
    // This connect frees the table that the send held, and the receiver with it.
    let frees = thread::spawn(|| FIRST.connect(one).is_new());
    is_destroying.recv().unwrap();
    drop(of_second);
    to_second.join().unwrap();
    let early = has_waited.recv_timeout(Duration::from_millis(50));
    assert!(
        early.is_err(),
        "it returned while the destructor was running"
    );
    drop(of_destructor);
    assert_eq!(has_waited.recv().unwrap(), Ok(()));
    assert!(is_over.load(Ordering::Acquire));
    assert!(frees.join().unwrap());
}

#[test]
fn a_noted_disconnect_of_a_method_spares_a_later_object_at_the_same_address() {
    struct Shelf(u32);
    impl Shelf {
        fn take(&self, _: Sender<'_>, (): &()) -> u32 {
            self.0
        }
    }
    let signal = Asked::new();
    let mut kept = Vec::new();
    signal.change(|changes| {
        let gone = Arc::new(Shelf(1));
        changes.options().disconnect_weak(&gone, Shelf::take);
        drop(gone);
        let new = Arc::new(Shelf(2));
        signal.connect_weak(&new, Shelf::take);
        kept.push(new);
    });
    assert_eq!(*signal.send(&()), [2]);
}

#[test]
fn a_change_without_an_effect_is_made_even_of_a_frozen_signal() {
    let signal = Asked::new();
    let gone = signal.connect(one);
    gone.disconnect();
    signal.freeze();
    signal.change(|changes| changes.disconnect_each(Connections::default()));
    signal.change(|changes| changes.disconnect_each([&gone]));
}

#[test]
fn a_connection_that_is_out_is_of_no_signal_while_a_send_still_holds_it() {
    static OTHER: Asked = Asked::new();
    static OWN: Mutex<Option<fanfare::Connection>> = Mutex::new(None);
    let connection = OTHER.connect(|_, ()| {
        let own = OWN.lock().unwrap().take().unwrap();
        assert!(own.disconnect());
        Asked::new().change(|changes| changes.disconnect_each([&own]));
        7
    });
    *OWN.lock().unwrap() = Some(connection);
    assert_eq!(*OTHER.send(&()), [7]);
}

#[test]
fn a_change_that_is_noted_holds_no_receiver() {
    let signal = Asked::new();
    let old = signal.connect(one);
    signal.change(|changes| {
        changes.disconnect_each([&old]);
        assert_eq!(old.disconnect_and_wait(Duration::from_secs(60)), Ok(()));
        changes.connect(two);
    });
    assert_eq!(*signal.send(&()), [2]);
}

#[test]
fn a_disconnect_by_uid_takes_the_uid_that_it_is_given() {
    let signal = Asked::new();
    signal.options().dispatch_uid("x").connect(one);
    signal.options().dispatch_uid("y").connect(two);
    signal.options().sender("a").dispatch_uid("y").connect(two);
    assert!(signal.options().dispatch_uid("x").disconnect_uid("y"));
    assert_eq!(*signal.send(&()), [1]);
    let options = signal.options().dispatch_uid("x");
    assert_eq!(options.disconnect_uid_everywhere("y"), 1);
    assert_eq!(
        signal
            .options()
            .dispatch_uid("x")
            .disconnect_everywhere(two),
        1
    );
}

#[test]
fn connections_are_made_of_one_and_reordered_in_place() {
    let signal = Signal::<u32, u32>::new();
    let mut connections = Connections::from(signal.connect(|_, n| n + 1));
    connections.extend([signal.connect(|_, n| n + 2)]);
    let before = Vec::from_iter(connections.iter().map(Connection::id));
    connections.reverse();
    let after = Vec::from_iter(connections.iter().map(Connection::id));
    assert_eq!(after, [before[1], before[0]]);
    assert_eq!(connections.disconnect(), 2);
    assert_eq!(signal.receiver_count(), 0);
}
