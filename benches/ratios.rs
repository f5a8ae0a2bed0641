//! The ratios that the project promises, from shuffled rounds in one process: medians and minima
//! per case, each beside its reference. Informs; fails nothing.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::RwLock;
use std::time::Duration;

use arc_swap::ArcSwap;
use fanfare::{Connection, Sender, Signal};
use fanfare_benches::{
    Case, Lcg, ROUNDS, boxed, connect, connect_senders, measure, on_threads, park_a_thread,
};

fn main() {
    // Cargo passes `--bench`; anything else is a filter of criterion's that is not for us.
    park_a_thread();
    sends();
    changes();
    two_threads();
}

fn sends() {
    println!("one thread, ns per send: least / median");
    println!(
        "{:>5} {:>17} {:>17} {:>17} {:>17} {:>17} {:>17}   signal/arcswap  signal/bare  emitter/bare  \
         frozen/bare",
        "", "bare", "arcswap", "signal", "emitter", "frozen", "rwlock"
    );
    for n in [0, 1, 4, 16, 64, 1024] {
        let bare = boxed(n);
        let arcswap = ArcSwap::from_pointee(boxed(n));
        let rwlock = RwLock::new(boxed(n));
        let signal = Signal::<u64>::new();
        connect(&signal, n);
        let mut emitter = signal.emitter();
        let frozen = Signal::<u64>::new();
        connect(&frozen, n);
        frozen.freeze();
        let results = measure(vec![
            (
                "bare".into(),
                Box::new(|repeats| {
                    for _ in 0..repeats {
                        for receiver in black_box(&bare) {
                            receiver(black_box(&1));
                        }
                    }
                }),
            ),
            (
                "arcswap".into(),
                Box::new(|repeats| {
                    for _ in 0..repeats {
                        for receiver in black_box(&arcswap).load().iter() {
                            receiver(black_box(&1));
                        }
                    }
                }),
            ),
            (
                "signal".into(),
                Box::new(|repeats| {
                    for _ in 0..repeats {
                        black_box(&signal).send(black_box(&1));
                    }
                }),
            ),
            (
                "emitter".into(),
                Box::new(|repeats| {
                    for _ in 0..repeats {
                        black_box(&mut emitter).send(black_box(&1));
                    }
                }),
            ),
            (
                "frozen".into(),
                Box::new(|repeats| {
                    for _ in 0..repeats {
                        black_box(&frozen).send(black_box(&1));
                    }
                }),
            ),
            (
                "rwlock".into(),
                Box::new(|repeats| {
                    for _ in 0..repeats {
                        for receiver in black_box(&rwlock).read().unwrap().iter() {
                            receiver(black_box(&1));
                        }
                    }
                }),
            ),
        ]);
        let cell = |name: &str| format!("{:.2} / {:.2}", results[name].0, results[name].1);
        let ratio = |a: &str, b: &str| {
            format!(
                "{:.2} / {:.2}",
                results[a].0 / results[b].0,
                results[a].1 / results[b].1
            )
        };
        println!(
            "{n:>5} {:>17} {:>17} {:>17} {:>17} {:>17} {:>17}   {:>14}  {:>11}  {:>12}  {:>11}",
            cell("bare"),
            cell("arcswap"),
            cell("signal"),
            cell("emitter"),
            cell("frozen"),
            cell("rwlock"),
            ratio("signal", "arcswap"),
            ratio("signal", "bare"),
            ratio("emitter", "bare"),
            ratio("frozen", "bare"),
        );
    }
    let mut cases: Vec<Case<'_>> = Vec::new();
    for n in [1, 1_000, 1_000_000] {
        let signal = Signal::<u64>::new();
        connect_senders(&signal, n);
        let sender = Sender::key(u128::from(n / 2));
        cases.push((
            format!("{n} senders, one of them sends"),
            Box::new(move |repeats| {
                for _ in 0..repeats {
                    black_box(&signal)
                        .from(black_box(sender))
                        .send(black_box(&1));
                }
            }),
        ));
    }
    print(&measure(cases), "ns");
}

fn changes() {
    println!("\nconnect + disconnect, ns per pair: least / median");
    let mut cases: Vec<Case<'_>> = Vec::new();
    for n in [1_000, 100_000, 1_000_000] {
        let signal: &'static Signal<u64> = Box::leak(Box::default());
        let mut held = connect(signal, n);
        let mut random = Lcg(1);
        cases.push((
            format!("{n:>8} held, newest"),
            Box::new(move |repeats| {
                for _ in 0..repeats {
                    add(signal, Sender::NONE, n).disconnect();
                }
            }),
        ));
        cases.push((
            format!("{n:>8} held, random"),
            Box::new(move |repeats| {
                for _ in 0..repeats {
                    let at = random.below(held.len());
                    let added = add(signal, Sender::NONE, n);
                    std::mem::replace(&mut held[at], added).disconnect();
                }
            }),
        ));
        let by_sender: &'static Signal<u64> = Box::leak(Box::default());
        let mut held = connect_senders(by_sender, n);
        let mut random = Lcg(2);
        cases.push((
            format!("{n:>8} senders, random"),
            Box::new(move |repeats| {
                for _ in 0..repeats {
                    let at = random.below(held.len());
                    held[at].disconnect();
                    held[at] = add(by_sender, Sender::key(at as u128), n);
                }
            }),
        ));
    }
    print(&measure(cases), "ns");
}

fn add(signal: &Signal<u64>, sender: Sender<'_>, c: u64) -> Connection {
    signal.options().sender(sender).connect(move |_sender, x| {
        black_box(c + x);
    })
}

fn two_threads() {
    println!(
        "\nsends to 4 receivers, ns per send and thread: one thread, two threads (medians), speed kept"
    );
    let signal = Signal::<u64>::new();
    connect(&signal, 4);
    let rwlock = RwLock::new(boxed(4));
    let works: [(&str, &(dyn Fn() + Sync)); 3] = [
        ("signal", &|| {
            for _ in 0..SENDS {
                black_box(&signal).send(black_box(&1));
            }
        }),
        ("emitter", &|| {
            let mut emitter = signal.emitter();
            for _ in 0..SENDS {
                black_box(&mut emitter).send(black_box(&1));
            }
        }),
        ("rwlock", &|| {
            for _ in 0..SENDS {
                for receiver in black_box(&rwlock).read().unwrap().iter() {
                    receiver(black_box(&1));
                }
            }
        }),
    ];
    const SENDS: u32 = 1_000_000;
    for (name, work) in works {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS / 2 {
            one.push(on_threads(1, work));
            two.push(on_threads(2, work));
        }
        one.sort();
        two.sort();
        let each = |took: &[Duration]| took[took.len() / 2].as_nanos() as f64 / f64::from(SENDS);
        let (one, two) = (each(&one), each(&two));
        println!("  {name:<8} {one:>8.2} {two:>8.2} {:>6.2}", one / two);
    }
}

fn print(results: &BTreeMap<String, (f64, f64)>, unit: &str) {
    for (name, (least, median)) in results {
        println!("  {name:<36} {least:>10.1} / {median:.1} {unit}");
    }
}
