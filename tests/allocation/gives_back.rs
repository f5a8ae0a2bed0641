//! A living signal whose receivers have all been disconnected keeps no memory of their number.

use std::sync::Arc;

use fanfare::{Connection, Identity, Signal};

const MANY: u64 = 2_000;
/// The bytes that a signal may keep after its receivers are gone.
const LITTLE: i64 = 4_096;

type Asked = Signal<u64, u64>;
type Connect = fn(&Asked, &Arc<u64>, &[Identity], u64) -> Connection;

/// Each way of being known by something, and of standing somewhere.
const WAYS: &[(&str, Connect)] = &[
    ("any sender", |signal, _, _, n| {
        signal.connect(move |_, m| n + m)
    }),
    ("dispatch_uid", |signal, _, _, n| {
        let options = signal.options().dispatch_uid(format!("receiver {n}"));
        options.connect(move |_, m| n + m)
    }),
    ("key as the sender", |signal, _, _, n| {
        signal.options().sender(n).connect(move |_, m| n + m)
    }),
    ("name as the sender", |signal, _, _, n| {
        let name = format!("sender {n}");
        signal.options().sender(&name).connect(move |_, m| n + m)
    }),
    ("identity as the sender", |signal, _, identities, n| {
        let sender = &identities[n as usize];
        signal.options().sender(sender).connect(move |_, m| n + m)
    }),
    ("uid and sender", |signal, _, _, n| {
        let options = signal.options().dispatch_uid("the same").sender(n);
        options.connect(move |_, m| n + m)
    }),
    ("weak", |signal, target, _, n| {
        let options = signal.options().sender(n);
        options.connect_weak(target, |target, _, m| *target + m)
    }),
    ("once", |signal, _, _, n| {
        signal.options().once().connect(move |_, m| n + m)
    }),
    ("priority", |signal, _, _, n| {
        let options = signal.options().priority((n % 1_000) as i32);
        options.connect(move |_, m| n + m)
    }),
    ("name", |signal, _, _, n| {
        let options = signal.options().name(format!("receiver {n}"));
        options.connect(move |_, m| n + m)
    }),
];

/// Disconnects all of them.
type Disconnect = fn(&Asked, Vec<Connection>);
const ENDS: &[(&str, Disconnect)] = &[
    ("forwards", |_, all| {
        all.iter().for_each(|it| assert!(it.disconnect()))
    }),
    ("backwards", |_, all| {
        all.iter().rev().for_each(|it| assert!(it.disconnect()));
    }),
    ("disconnect_all", |signal, all| {
        assert_eq!(signal.disconnect_all(), all.len());
    }),
    ("scoped", |_, all| {
        drop(Vec::from_iter(all.into_iter().map(Connection::scoped)))
    }),
];

#[test]
fn a_living_signal_gives_memory_back_when_all_is_disconnected() {
    let mut kept = Vec::new();
    for (way, connect) in WAYS {
        for (end, disconnect) in ENDS {
            for others in [0, 1] {
                let signal = Asked::new();
                let target = Arc::new(1);
                let identities = Vec::from_iter((0..MANY).map(|_| Identity::new()));
                for other in 0..others {
                    signal.connect(move |_, m| other + m);
                }
                // The first connection of this kind makes them. Each identity remembers the signal.
                for n in 0..MANY {
                    if n == 0 || *way == "identity as the sender" {
                        connect(&signal, &target, &identities, n).disconnect();
                    }
                }
                signal.send(&1);
                let held = held(|| {
                    let all = (0..MANY).map(|n| connect(&signal, &target, &identities, n));
                    let all = Vec::from_iter(all);
                    if others == 0 {
                        disconnect(&signal, all);
                    } else {
                        all.iter().for_each(|it| assert!(it.disconnect()));
                    }
                });
                assert_eq!(signal.receiver_count() as u64, others);
                if held > LITTLE {
                    kept.push(format!("{way}, {end}, beside {others}: {held} bytes"));
                }
            }
        }
    }
    assert!(kept.is_empty(), "{kept:#?}");
}

/// Returns the bytes that `work` left allocated on this thread.
fn held(work: impl FnOnce()) -> i64 {
    allocation_counter::measure(work).bytes_current
}

#[test]
fn a_living_signal_gives_memory_back_when_its_emitters_are_dropped() {
    let signal = Asked::new();
    let connection = signal.connect(|_, m| *m);
    signal.send(&1);
    drop(signal.emitter());
    let held = held(|| {
        let mut emitters = Vec::from_iter((0..MANY).map(|_| signal.emitter()));
        for emitter in &mut emitters {
            assert_eq!(*emitter.send(&7), [7]);
        }
        drop(emitters);
        signal.purge();
    });
    assert!(held <= LITTLE, "{held} bytes");
    assert!(connection.is_connected());
}

/// The maps that the signal keeps beside its table shrink while some receivers are left.
#[test]
fn a_living_signal_gives_memory_back_when_most_are_disconnected() {
    const LEFT: usize = 4;
    let mut kept = Vec::new();
    for (way, connect) in WAYS {
        let signal = Asked::new();
        let target = Arc::new(1);
        let identities = Vec::from_iter((0..MANY).map(|_| Identity::new()));
        // The count below is without the memory of these receivers.
        let connected = |n| connect(&signal, &target, &identities, n);
        let few = Vec::from_iter((0..LEFT as u64).map(connected));
        // Each identity remembers the signal.
        if *way == "identity as the sender" {
            (LEFT as u64..MANY).for_each(|n| assert!(connected(n).disconnect()));
        }
        let held = held(|| {
            let many = Vec::from_iter((LEFT as u64..MANY).map(connected));
            many.iter().for_each(|it| assert!(it.disconnect()));
        });
        assert_eq!(signal.receiver_count(), LEFT);
        if held > LITTLE {
            kept.push(format!("{way}: {held} bytes"));
        }
        few.iter().for_each(|it| assert!(it.disconnect()));
    }
    assert!(kept.is_empty(), "{kept:#?}");
}

#[test]
fn an_identity_forgets_signals_that_are_dropped() {
    let identity = Identity::new();
    let held = held(|| {
        for _ in 0..MANY {
            let signal = Asked::new();
            let options = signal.options().sender(&identity);
            options.connect(|_, m| *m);
            assert_eq!(*signal.from(&identity).send(&7), [7]);
        }
    });
    assert!(held <= LITTLE, "{held} bytes");
}
