//! The edges Django does not test and users fell over, and our own decisions: changes during
//! a send, failing, re-entry, order, looking. Keys and senders have files of their own.
//!
//! `eNN` is the number of the case in the catalogue the project started from; those that
//! concern only asynchronous receivers have no test here.

use fanfare::connections::purged;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread;
use std::time::Duration;

use crate::receivers::{Asked, holding, message_of, of_size, one, read, response, two};
use fanfare::{Identity, Sender, Signal};

// Changes during a send.

#[test]
fn e6_disconnected_by_an_earlier_receiver_it_still_runs_in_this_send() {
    static SIGNAL: Asked = Asked::new();
    let later: Arc<Mutex<Option<fanfare::Connection>>> = Arc::default();
    let target = Arc::clone(&later);
    SIGNAL.connect(move |_, ()| {
        u32::from(
            target
                .lock()
                .unwrap()
                .take()
                .is_some_and(|later| later.disconnect()),
        )
    });
    *later.lock().unwrap() = Some(SIGNAL.connect(response(7)));
    assert_eq!(*SIGNAL.send(&()), [1, 7]);
    assert_eq!(*SIGNAL.send(&()), [0]);
}

#[test]
fn disconnected_by_another_thread_it_still_runs_in_this_send() {
    static SIGNAL: Asked = Asked::new();
    let (running, runs) = mpsc::channel();
    let (go, goes) = mpsc::channel();
    let goes = Mutex::new(goes);
    SIGNAL.connect(move |_, ()| {
        running.send(()).unwrap();
        goes.lock().unwrap().recv().unwrap();
        1
    });
    let later = SIGNAL.connect(response(2));
    let send = thread::spawn(|| SIGNAL.send(&()).to_vec());
    runs.recv().unwrap();
    assert!(later.disconnect());
    assert!(!later.is_connected());
    go.send(()).unwrap();
    assert_eq!(send.join().unwrap(), [1, 2]);
    go.send(()).unwrap();
    assert_eq!(*SIGNAL.send(&()), [1]);
}

/// Few receivers, many, those of a sender among them, weak and once-only ones: each is walked in
/// its own way.
#[test]
fn the_snapshot_holds_for_every_shape_of_table_and_every_way_of_sending() {
    static SIGNAL: Asked = Asked::new();
    let ways: [fn() -> Vec<u32>; 6] = [
        || SIGNAL.from("s").send(&()).to_vec(),
        || {
            SIGNAL
                .from("s")
                .send_robust(&())
                .into_iter()
                .map(Result::unwrap)
                .collect()
        },
        || {
            responses_of(|each| {
                assert!(
                    SIGNAL
                        .from("s")
                        .send_until(&(), |response| each(*response))
                        .is_none()
                )
            })
        },
        || {
            responses_of(|each| {
                assert!(
                    SIGNAL
                        .from("s")
                        .send_each(&(), |_, response| flow(each(response)))
                        .is_continue()
                )
            })
        },
        || SIGNAL.emitter().from("s").send(&()).to_vec(),
        || {
            SIGNAL
                .emitter()
                .from("s")
                .send_robust(&())
                .into_iter()
                .map(Result::unwrap)
                .collect()
        },
    ];
    let target = Arc::new(5);
    type Shape = fn(u32, &Arc<u32>);
    let shapes: [(u32, Shape); 6] = [
        (3, |value, _| drop(SIGNAL.connect(response(value)))),
        (100, |value, _| drop(SIGNAL.connect(response(value)))),
        (100, |value, _| {
            drop(SIGNAL.options().sender("s").connect(response(value)))
        }),
        (6, |value, _| {
            drop(
                if value % 2 == 0 {
                    SIGNAL.options().sender("s")
                } else {
                    SIGNAL.options()
                }
                .connect(response(value)),
            )
        }),
        (20, |value, target| {
            drop(SIGNAL.connect_weak(target, move |_: &u32, _, ()| value))
        }),
        (20, |value, _| {
            drop(SIGNAL.options().once().connect(response(value)))
        }),
    ];
    for (way, send) in ways.iter().enumerate() {
        for (shape, (many, connect)) in shapes.iter().enumerate() {
            SIGNAL.options().priority(1).connect(|_, ()| {
                SIGNAL.connect(response(1_001));
                let removed = SIGNAL.disconnect_all();
                SIGNAL.connect(response(1_002));
                removed as u32
            });
            (0..*many).for_each(|value| connect(value, &target));
            let expected: Vec<_> = [many + 2].into_iter().chain(0..*many).collect();
            assert_eq!(send(), expected, "way {way}, shape {shape}");
            assert_eq!(send(), [1_002], "way {way}, shape {shape}");
            assert_eq!(SIGNAL.disconnect_all(), 1);
        }
    }
}

#[test]
fn e7_connected_during_a_send_it_runs_in_a_nested_one_and_not_in_this() {
    static SIGNAL: Asked = Asked::new();
    static NESTED: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    let ran = AtomicUsize::new(0);
    SIGNAL.options().priority(-1).connect(move |_, ()| {
        if ran.fetch_add(1, Ordering::Relaxed) == 0 {
            SIGNAL.options().priority(1).connect(two);
            SIGNAL.options().priority(-2).connect(of_size::<[u8; 3]>);
            let nested = SIGNAL.send(&()).to_vec();
            *NESTED.lock().unwrap() = nested;
        }
        1
    });
    assert_eq!(*SIGNAL.send(&()), [1]);
    assert_eq!(*NESTED.lock().unwrap(), [2, 1, 3]);
    assert_eq!(*SIGNAL.send(&()), [2, 1, 3]);
}

#[test]
fn e8_a_weak_receiver_dropped_during_a_send_still_runs_in_it() {
    let signal = Asked::new();
    let target = Arc::new(8);
    let last = Mutex::new(Some(Arc::clone(&target)));
    signal.connect(move |_, ()| last.lock().unwrap().take().map_or(0, |_| 1));
    signal.connect_weak(&target, read);
    let outside = Arc::downgrade(&target);
    drop(target);
    assert_eq!(*signal.send(&()), [1, 8]);
    assert!(outside.upgrade().is_none(), "the send held it and let go");
    assert_eq!(*signal.send(&()), [0]);
}

#[test]
fn a_connect_that_returned_is_seen_by_every_send_that_starts_after_it() {
    let signal = Asked::new();
    thread::scope(|scope| {
        for round in 0..100 {
            let connection = scope.spawn(|| signal.connect(response(1))).join().unwrap();
            assert_eq!(signal.send(&()).len(), 1, "round {round}");
            scope.spawn(move || connection.disconnect()).join().unwrap();
            assert!(signal.send(&()).is_empty(), "round {round}");
        }
    });
}

// Failing.

#[test]
fn e11_a_receiver_without_a_name_fails_like_any_other() {
    let signal = Asked::new();
    let text = String::from("captured");
    let nameless = signal.connect(move |_, ()| panic!("{text}"));
    let pointer: fn(Sender<'_>, &()) -> u32 = |_, ()| panic!("through a pointer");
    signal.connect(pointer);
    signal.connect(one);
    let responses = signal.send_robust(&());
    assert_eq!(responses.len(), 3);
    assert_eq!(
        responses.iter().filter_map(Result::ok).collect::<Vec<_>>(),
        [&1]
    );
    let failures: Vec<_> = responses.panics().collect();
    assert_eq!(
        (failures[0].receiver(), failures[0].message()),
        (nameless.id(), "captured")
    );
    assert_eq!(failures[1].message(), "through a pointer");
    assert!(failures.iter().all(|failure| !failure.name().is_empty()));
}

#[test]
fn e12_an_error_that_is_returned_is_not_a_failure() {
    let signal = Signal::<(), Result<u32, String>>::new();
    signal.connect(|_, ()| Err("returned".to_owned()));
    signal.connect(|_, ()| panic!("panicked"));
    signal.connect(|_, ()| Ok(1));
    let responses = signal.send_robust(&());
    assert!(!responses.all_ok());
    let failed: Vec<_> = responses
        .panics()
        .map(|failure| failure.message().to_owned())
        .collect();
    assert_eq!(failed, ["panicked"]);
    let values: Vec<_> = responses.into_iter().filter_map(Result::ok).collect();
    assert_eq!(values, [Err("returned".to_owned()), Ok(1)]);
}

#[test]
fn e24_a_panic_stops_a_send_and_only_marks_a_robust_one() {
    let signal = Asked::new();
    let after = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&after);
    signal.connect(one);
    signal.connect(|_, ()| panic!("second"));
    signal.connect(move |_, ()| counted.fetch_add(1, Ordering::Relaxed) as u32);
    let payload = catch_unwind(AssertUnwindSafe(|| signal.send(&()))).unwrap_err();
    assert_eq!(message_of(&*payload), "second");
    assert_eq!(after.load(Ordering::Relaxed), 0);
    let responses = signal.send_robust(&());
    assert_eq!(
        responses
            .iter()
            .map(|result| result.is_ok())
            .collect::<Vec<_>>(),
        [true, false, true]
    );
    assert_eq!(after.load(Ordering::Relaxed), 1);
}

// Never by address, never under a lock.

#[test]
fn e17_a_temporary_receiver_leaves_no_key_behind() {
    let signal = Asked::new();
    for round in 0..200 {
        signal.connect_weak(&Arc::new(round), read);
        let kept = Arc::new(round);
        assert!(signal.connect_weak(&kept, read).is_new(), "round {round}");
        assert_eq!(*signal.send(&()), [round]);
        drop(Box::new(signal.connect(response(1)).scoped()));
        assert!(signal.connect(one).is_new(), "round {round}");
        assert!(signal.disconnect(one));
    }
    signal.purge();
    assert_eq!(signal.receiver_count(), 0);
}

#[test]
fn e18_a_destructor_may_use_the_signal_however_it_is_removed() {
    static SIGNAL: Asked = Asked::new();
    let removals: [fn(fanfare::Connection, Identity); 5] = [
        |connection, _| assert!(connection.disconnect()),
        |_, identity| drop(identity),
        |_, identity| assert_eq!(SIGNAL.from(&identity).disconnect_all(), 1),
        |_, _| assert!(SIGNAL.disconnect_all() > 0),
        |_, identity| assert!(SIGNAL.options().sender(&identity).disconnect_uid("u")),
    ];
    for (way, remove) in removals.into_iter().enumerate() {
        let (heard, hears) = mpsc::channel();
        let worker = thread::spawn(move || {
            let identity = Identity::new();
            let last = AtDrop(Some(Box::new(move || {
                let connection = SIGNAL.connect(response(1));
                let sent = SIGNAL.send(&()).len();
                heard
                    .send((sent, connection.disconnect(), SIGNAL.connections().len()))
                    .unwrap();
            })));
            let connection = SIGNAL
                .options()
                .sender(&identity)
                .dispatch_uid("u")
                .connect(move |_, ()| {
                    let _held = &last;
                    2
                });
            remove(connection, identity);
        });
        let seen = hears
            .recv_timeout(Duration::from_secs(30))
            .unwrap_or_else(|error| panic!("way {way} hangs: {error}"));
        assert_eq!(seen, (1, true, 0), "way {way}");
        worker.join().unwrap();
    }
}

#[test]
fn keys_cannot_outlive_a_dead_holder() {
    let signal = Asked::new();
    let target = Arc::new(1);
    let dead = signal
        .options()
        .dispatch_uid("u")
        .connect_weak(&target, read);
    drop(target);
    let heir = signal.options().dispatch_uid("u").connect(two);
    assert!(heir.is_new());
    assert_ne!(heir.id(), dead.id());
    assert!(
        !dead.disconnect(),
        "the dead one's handle does not reach the heir"
    );
    assert!(heir.is_connected());
    assert_eq!(*signal.send(&()), [2]);
    assert_eq!(signal.purge(), 0);
    assert_eq!((signal.receiver_count(), purged(&signal)), (1, 1));
}

#[test]
fn purging_counts_the_removed_receivers() {
    let signal = Asked::new();
    signal.connect(one);
    let targets: Vec<Arc<u32>> = (0..10).map(Arc::new).collect();
    for (index, target) in targets.iter().enumerate() {
        let options = signal.options();
        if index % 2 == 0 {
            options.connect_weak(target, read)
        } else {
            options.sender("a").connect_weak(target, read)
        };
    }
    assert_eq!(
        (signal.purge(), purged(&signal), signal.receiver_count()),
        (0, 0, 11)
    );
    let mut targets = targets.into_iter();
    targets.by_ref().take(4).for_each(drop);
    assert_eq!(
        signal.receiver_count(),
        11,
        "the dead are held until purged"
    );
    assert_eq!(
        (signal.purge(), purged(&signal), signal.receiver_count()),
        (4, 4, 7)
    );
    drop(targets);
    assert_eq!(
        (signal.purge(), purged(&signal), signal.receiver_count()),
        (6, 10, 1)
    );
    assert_eq!((signal.purge(), purged(&signal)), (0, 10));
}

// Order.

#[test]
fn higher_priority_first_then_by_connection() {
    let signal = Asked::new();
    for (index, priority) in [0, i32::MIN, 5, 0, i32::MAX, 5, -1].into_iter().enumerate() {
        signal
            .options()
            .priority(priority)
            .connect(response(index as u32));
    }
    assert_eq!(*signal.send(&()), [4, 2, 5, 0, 3, 6, 1]);
}

#[test]
fn receivers_for_any_and_for_a_sender_are_interleaved() {
    let signal = Asked::new();
    for index in 0..12 {
        let options = signal.options().priority(i32::from(index >= 6));
        let options = match index % 3 {
            0 => options,
            1 => options.sender("a"),
            _ => options.sender("b"),
        };
        options.connect(response(index));
    }
    assert_eq!(*signal.from("a").send(&()), [6, 7, 9, 10, 0, 1, 3, 4]);
    assert_eq!(*signal.from("b").send(&()), [6, 8, 9, 11, 0, 2, 3, 5]);
    assert_eq!(*signal.from("c").send(&()), [6, 9, 0, 3]);
}

// Looking.

#[test]
fn connections_list_the_options_of_each_receiver() {
    let signal = Asked::new();
    let target = Arc::new(1);
    let for_sender = signal
        .options()
        .sender("till")
        .priority(9)
        .once()
        .name("bell")
        .connect(response(1));
    let low = signal.connect(one);
    let high = signal
        .options()
        .dispatch_uid("u")
        .priority(2)
        .connect_weak(&target, read);
    let infos = signal.connections();
    assert_eq!(
        infos.iter().map(|info| info.id).collect::<Vec<_>>(),
        [for_sender.id(), high.id(), low.id()]
    );
    let [third, first, second] = &infos[..] else {
        panic!("three are connected")
    };
    assert_eq!(
        (first.priority, first.max_calls, first.weak),
        (2, None, true)
    );
    assert_eq!(
        (first.dispatch_uid.as_deref(), first.sender.as_deref()),
        (Some("u"), None)
    );
    assert_eq!(
        (second.priority, second.max_calls, second.weak),
        (0, None, false)
    );
    assert!(second.name.contains("one"), "named {:?}", second.name);
    assert_eq!(second.dispatch_uid, None);
    assert_eq!(
        (third.priority, third.max_calls, third.weak),
        (9, Some(1), false)
    );
    assert_eq!(third.name, "bell");
    assert!(
        third
            .sender
            .as_deref()
            .is_some_and(|sender| sender.contains("till")),
        "{:?}",
        third.sender
    );
}

/// The line of the user's own call, whichever way it was connected.
#[test]
fn connections_have_the_places_of_their_connects() {
    let signal = Asked::new();
    let target = Arc::new(1);
    let mut made = vec![
        (signal.connect(one), line!()),
        (signal.connect_weak(&target, read), line!()),
        (signal.options().connect(two), line!()),
        (signal.options().connect_weak(&target, five), line!()),
    ];
    let mut line = 0;
    let connections = signal.change(|changes| {
        line = line!() + 1;
        changes.connect(response(3));
    });
    made.extend(connections.into_iter().map(|it| (it, line)));
    for (info, (connection, line)) in signal.connections().iter().zip(&made) {
        assert_eq!((info.id, info.location.file()), (connection.id(), file!()));
        assert_eq!(info.location.line(), *line);
    }
}

#[test]
fn connections_mark_dead_receivers() {
    let signal = Asked::new();
    let target = Arc::new(1);
    signal.connect(one);
    signal.connect_weak(&target, read);
    assert!(signal.connections().iter().all(|info| info.live));
    drop(target);
    let live: Vec<_> = signal.connections().iter().map(|info| info.live).collect();
    assert_eq!(live, [true, false]);
}

#[test]
fn a_signal_without_receivers_keeps_no_capture_alive() {
    let signal = Asked::new();
    let held = Arc::new(());
    let observer: Weak<()> = Arc::downgrade(&held);
    for index in 0..100 {
        signal
            .options()
            .sender(u64::from(index % 7_u32))
            .connect(holding(&held));
    }
    drop(held);
    assert_eq!(observer.strong_count(), 100);
    signal.from(3_u64).disconnect_all();
    assert_eq!(observer.strong_count(), 86);
    signal.disconnect_all();
    assert_eq!(observer.strong_count(), 0);
}

struct AtDrop(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Drop for AtDrop {
    fn drop(&mut self) {
        if let Some(last) = self.0.take() {
            last();
        }
    }
}

/// Returns the responses that `send` passes to its closure, which never has enough.
fn responses_of(send: impl FnOnce(&mut dyn FnMut(u32) -> bool)) -> Vec<u32> {
    let mut responses = Vec::new();
    send(&mut |response| {
        responses.push(response);
        false
    });
    responses
}

fn flow(enough: bool) -> ControlFlow<()> {
    if enough {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

fn five(_: &u32, _: Sender<'_>, (): &()) -> u32 {
    5
}
