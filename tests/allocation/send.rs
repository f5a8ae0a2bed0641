//! A send does not allocate. The other tests bound the memory of a receiver.
//!
//! Allocations are counted for each thread, so the tests do not disturb one another.

use fanfare::connections::purged;
use std::cell::Cell;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::{Arc, Barrier};
use std::thread;

use fanfare::{Event, Identity, Sender, Signal, prepare_thread};

const SIZES: [usize; 7] = [0, 1, 2, 16, 64, 65, 1_024];

struct Tick<'a> {
    count: &'a Cell<u64>,
}

impl Event for Tick<'static> {
    type Args<'a> = Tick<'a>;
}

type Ticks<R = ()> = Signal<Tick<'static>, R>;

struct Shop;

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1_u64)))), 1);
    assert_eq!(
        allocations(|| drop(black_box(Vec::<u64>::with_capacity(4)))),
        1
    );
    assert_eq!(live_bytes(|| vec![1_u8; 1_000]).0, 1_000);
}

#[test]
fn a_send_to_receivers_for_any_sender_does_not_allocate() {
    for size in SIZES {
        let signal = Ticks::new();
        connect(&signal, size, None);
        assert_sends_allocate_nothing(&signal, Sender::NONE, size);
        assert_sends_allocate_nothing(&signal, Sender::of::<Shop>(), size);
    }
}

#[test]
fn a_send_to_receivers_of_a_sender_does_not_allocate() {
    let identity = Identity::new();
    let name = String::from("a name that is longer than any small string could be");
    for sender in [
        Sender::of::<Shop>(),
        Sender::named(&name),
        Sender::key(7),
        Sender::identity(&identity),
    ] {
        for size in SIZES {
            let signal = Ticks::new();
            connect(&signal, size, Some(sender));
            assert_sends_allocate_nothing(&signal, sender, size);
            assert_sends_allocate_nothing(&signal, Sender::named("another"), 0);
        }
    }
}

#[test]
fn a_send_to_both_kinds_at_once_does_not_allocate() {
    for size in SIZES {
        let signal = Ticks::new();
        for index in 0..size {
            connect(&signal, 1, (index % 2 == 0).then(Sender::of::<Shop>));
        }
        assert_sends_allocate_nothing(&signal, Sender::of::<Shop>(), size);
        assert_sends_allocate_nothing(&signal, Sender::NONE, size / 2);
    }
}

#[test]
fn a_send_beside_receivers_of_other_senders_does_not_allocate() {
    let signal = Ticks::new();
    for key in 0..1_000_u64 {
        connect(&signal, 1, Some(Sender::from(key)));
    }
    for key in [0_u64, 500, 999] {
        assert_sends_allocate_nothing(&signal, Sender::from(key), 1);
    }
    assert_sends_allocate_nothing(&signal, Sender::from(1_000_u64), 0);
}

#[test]
fn a_send_to_a_few_weak_receivers_does_not_allocate() {
    let signal = Ticks::new();
    let target = Arc::new(1_u64);
    for offset in 0..16_u64 {
        signal.connect_weak(&target, move |target: &u64, _, tick| {
            tick.count.set(tick.count.get() + target + offset - offset)
        });
    }
    assert_sends_allocate_nothing(&signal, Sender::NONE, 16);
}

#[test]
fn a_send_to_a_few_weak_trait_objects_does_not_allocate() {
    let signal = Ticks::new();
    let target: Arc<dyn Fn(u64) -> u64 + Send + Sync> = Arc::new(|count| count + 1);
    for offset in 0..16_u64 {
        signal.connect_weak(&target, move |target, _, tick| {
            tick.count.set(target(tick.count.get()) + offset - offset)
        });
    }
    assert_sends_allocate_nothing(&signal, Sender::NONE, 16);
}

#[test]
fn send_each_does_not_allocate_whatever_the_responses_are() {
    for size in SIZES {
        let numbers = Ticks::<u64>::new();
        let arrays = Ticks::<[u64; 8]>::new();
        let results = Ticks::<Result<u32, &'static str>>::new();
        for index in 0..size as u64 {
            numbers.connect(move |_, _| index);
            arrays.connect(move |_, _| [index; 8]);
            results
                .options()
                .sender("n")
                .connect(move |_, _| if index % 2 == 0 { Ok(1) } else { Err("odd") });
        }
        assert_each_allocates_nothing(&numbers, size);
        assert_each_allocates_nothing(&arrays, size);
        assert_each_allocates_nothing(&results, size);
    }
}

#[test]
fn sends_that_give_values_allocate_for_those_alone() {
    let signal = Ticks::<u64>::new();
    (0..1_024).for_each(|index| drop(signal.connect(move |_, _| index)));
    let count = Cell::new(0);
    let tick = Tick { count: &count };
    signal.send(&tick);
    let made = allocations(|| drop(black_box(signal.send(&tick))));
    assert!(made <= 24, "{made} allocations for 1,024 responses");
    let made = allocations(|| {
        let response = signal.send_until(&tick, |value| *value == 1_000);
        assert_eq!(
            black_box(response).map(|response| response.value),
            Some(1_000)
        );
    });
    assert_eq!(made, 0);
    let tried = Ticks::<Result<(), &'static str>>::new();
    (0..64).for_each(|index: u8| {
        drop(tried.connect(move |_, _| if index < 63 { Ok(()) } else { Err("last") }))
    });
    tried.send(&tick);
    assert_eq!(
        allocations(|| drop(black_box(tried.send_until_err(&tick)))),
        0
    );
}

#[test]
fn an_emitter_does_not_allocate() {
    for size in SIZES {
        let signal = Ticks::new();
        connect(&signal, size, None);
        let mut emitter = signal.emitter();
        let count = Cell::new(0);
        let tick = Tick { count: &count };
        emitter.send(&tick);
        let made = allocations(|| {
            for _ in 0..10 {
                black_box(emitter.send(&tick));
                black_box(emitter.from("n").send_robust(&tick));
            }
        });
        assert_eq!(
            (made, count.get()),
            (0, 21 * size as u64),
            "{size} receivers"
        );
    }
}

#[test]
fn has_listeners_does_not_allocate() {
    let signal = Ticks::new();
    connect(&signal, 64, Some(Sender::of::<Shop>()));
    signal.has_listeners();
    let made = allocations(|| {
        black_box(signal.from(Sender::of::<Shop>()).has_listeners());
        black_box(signal.from("n").has_listeners());
        black_box((
            signal.receiver_count(),
            signal.receiver_count() == 0,
            purged(&signal),
        ));
    });
    assert_eq!(made, 0);
}

#[test]
fn a_signal_without_receivers_has_not_allocated() {
    let count = Cell::new(0);
    let tick = Tick { count: &count };
    let made = allocations(|| {
        let signal = Ticks::<()>::new();
        black_box(signal.from(Sender::of::<Shop>()).send(&tick));
        black_box(signal.from("n").send_robust(&tick));
        black_box((
            signal.from("n").has_listeners(),
            signal.receiver_count(),
            signal.purge(),
            signal.disconnect_all(),
        ));
    });
    assert_eq!(made, 0);
}

/// The bound is on the memory of a receiver beyond its captures.
#[test]
fn a_receiver_costs_at_most_128_bytes_beyond_its_captures() {
    const MANY: u64 = 100_000;
    let capture = size_of::<u64>() as f64;
    let one_by_one = live_bytes(|| {
        let signal = Ticks::new();
        for offset in 0..MANY {
            drop(signal.connect(move |_, tick| tick.count.set(offset)));
        }
        signal
    });
    let batch = live_bytes(|| {
        let signal = Ticks::new();
        signal.change(|changes| {
            (0..MANY).for_each(|offset| changes.connect(move |_, tick| tick.count.set(offset)));
        });
        signal
    });
    for (how, (bytes, signal)) in [("one by one", one_by_one), ("in one change", batch)] {
        assert_eq!(signal.receiver_count() as u64, MANY);
        let each = bytes as f64 / MANY as f64 - capture;
        println!("{how}: {each:.1} bytes a receiver beyond the {capture} captured");
        assert!(each <= 128.0, "{how}: {each:.1} bytes a receiver");
    }
}

/// Each goes before all but the first few: no array of its own for each.
#[test]
fn receivers_of_rising_priority_share_arrays() {
    const MANY: i32 = 20_000;
    let (bytes, signal) = live_bytes(|| {
        let signal = Ticks::new();
        for first in 0..64 {
            let options = signal.options().priority(MANY);
            drop(options.connect(move |_, tick| tick.count.set(first)));
        }
        for priority in 0..MANY {
            let options = signal.options().priority(priority);
            drop(options.connect(move |_, tick| tick.count.set(priority as u64)));
        }
        signal
    });
    let each = bytes as f64 / signal.receiver_count() as f64;
    assert!(each <= 160.0, "{each:.1} bytes a receiver");
}

#[test]
fn everything_is_given_back() {
    let (bytes, ()) = live_bytes(|| {
        let signal = Ticks::new();
        let target = Arc::new(1);
        for key in 0..2_000_u64 {
            connect(&signal, 1, Some(Sender::from(key)));
            signal
                .options()
                .dispatch_uid(format!("uid {key}"))
                .connect(|_, _| ());
            signal
                .options()
                .sender("n")
                .connect_weak(&target, move |_: &i32, _, tick| tick.count.set(key));
        }
        let count = Cell::new(0);
        signal.from("n").send(&Tick { count: &count });
        assert_eq!(signal.from("n").disconnect_all(), 2_000);
        connect(&signal, 100, None);
    });
    // What stays is per thread and not per signal.
    assert!(
        bytes < 4_096,
        "{bytes} bytes are left after the signal has gone"
    );
}

#[test]
fn handles_of_every_kind_give_everything_back() {
    let signal = Ticks::new();
    let (bytes, ()) = live_bytes(|| {
        for key in 0..1_000_u64 {
            let receiver = move |_: Sender<'_>, tick: &Tick<'_>| tick.count.set(key);
            drop(signal.connect(receiver).scoped());
            drop(signal.connect(receiver).scoped().keep().scoped());
            assert!(signal.connect(receiver).clone().disconnect());
            drop(signal.options().name("no receiver"));
            drop(signal.options().dispatch_uid("u").connect(receiver));
            assert!(
                !signal
                    .options()
                    .dispatch_uid("u")
                    .connect(receiver)
                    .is_new()
            );
            assert!(signal.disconnect_uid("u"));
        }
    });
    assert!(bytes < 4_096, "{bytes} bytes are left of 5,000 connections");
}

/// A table that grew to a hundred thousand and shrank again gives its memory back.
#[test]
fn a_table_that_shrinks_gives_memory_back() {
    let signal = Ticks::new();
    connect(&signal, 10, None);
    let (bytes, ()) = live_bytes(|| {
        let connections = signal.change(|changes| {
            (0..50_000_u64)
                .for_each(|offset| changes.connect(move |_, tick| tick.count.set(offset)));
        });
        connections
            .iter()
            .for_each(|connection| assert!(connection.disconnect()));
    });
    assert!(bytes < 65_536, "{bytes} bytes are left of 50,000 receivers");
}

/// Threads that are alive at the same time need a node each: more of them than other tests have
/// left behind.
#[test]
fn the_first_send_after_prepare_thread_does_not_allocate() {
    const THREADS: usize = 40;
    static SIGNAL: Signal<u64> = Signal::new();
    let base = 1;
    SIGNAL.connect(move |_, tick| {
        black_box(base + tick);
    });
    let together = Barrier::new(2 * THREADS);
    let first_send = |is_prepared: bool| {
        if is_prepared {
            prepare_thread();
        }
        let made = allocations(|| {
            black_box(SIGNAL.send(&1));
        });
        let made_again = allocations(prepare_thread);
        together.wait();
        assert_eq!(made_again, 0);
        made
    };
    let first_sends = |is_prepared| {
        thread::scope(|scope| {
            let threads = [(); THREADS].map(|()| scope.spawn(|| first_send(is_prepared)));
            threads.map(|thread| thread.join().unwrap())
        })
    };
    let (prepared, unprepared) = thread::scope(|scope| {
        let prepared = scope.spawn(|| first_sends(true));
        let unprepared = first_sends(false);
        (prepared.join().unwrap(), unprepared)
    });
    assert_eq!(prepared, [0; THREADS]);
    assert!(unprepared.contains(&1), "{unprepared:?}");
}

fn connect(signal: &Ticks, size: usize, sender: Option<Sender<'_>>) {
    for index in 0..size as u64 {
        let options = signal.options().sender(sender.unwrap_or(Sender::NONE));
        options.connect(move |_, tick| tick.count.set(tick.count.get() + 1 + index - index));
    }
}

/// Asserts that ten sends of each kind after one to warm up do not allocate. Each must have reached
/// `size` receivers.
fn assert_sends_allocate_nothing(signal: &Ticks, sender: Sender<'_>, size: usize) {
    let count = Cell::new(0);
    let tick = Tick { count: &count };
    signal.from(sender).send(&tick);
    count.set(0);
    let made = allocations(|| {
        for _ in 0..10 {
            assert_eq!(black_box(signal.from(sender).send(&tick)).len(), size);
            assert!(black_box(signal.from(sender).send_robust(&tick)).all_ok());
        }
    });
    assert_eq!(
        count.get(),
        20 * size as u64,
        "{size} receivers from {sender}"
    );
    assert_eq!(made, 0, "{size} receivers from {sender}");
}

fn assert_each_allocates_nothing<R>(signal: &Ticks<R>, size: usize) {
    let count = Cell::new(0);
    let tick = Tick { count: &count };
    let mut heard = 0;
    let mut send = || {
        let flow = signal.from("n").send_each(&tick, |_, value| {
            black_box(value);
            heard += 1;
            ControlFlow::<()>::Continue(())
        });
        let _ = black_box(flow);
    };
    send();
    let made = allocations(&mut send);
    assert_eq!((made, heard), (0, 2 * size), "{size} receivers");
}

/// Returns how often `work` allocated or grew an allocation on this thread.
fn allocations(work: impl FnOnce()) -> usize {
    allocation_counter::measure(work).count_total as usize
}

/// Returns the bytes that `work` left allocated on this thread.
fn live_bytes<T>(work: impl FnOnce() -> T) -> (i64, T) {
    let mut result = None;
    let counts = allocation_counter::measure(|| result = Some(work()));
    (counts.bytes_current, result.expect("it was run"))
}
