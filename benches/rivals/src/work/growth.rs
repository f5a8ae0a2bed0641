//! Measures how the time and the memory of ours grow with its receivers and with its senders.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use fanfare::{Connection, Sender, Signal};
use fanfare_benches::{Lcg, connect, connect_senders};

use super::memory::in_use;
use crate::measure::{Effort, median};
use crate::results::Row;

/// Connections that are changed in one round.
const CHANGED: u64 = 256;

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut held = 1;
    while held <= effort.growth {
        for by_sender in [false, true] {
            rows.push(row(held, by_sender, effort.rounds.min(15)));
        }
        held *= 10;
    }
    rows
}

fn row(held: u64, by_sender: bool, rounds: usize) -> Row {
    let signal = Signal::<u64>::new();
    let (before, started) = (in_use(), Instant::now());
    let mut connections = if by_sender {
        connect_senders(&signal, held)
    } else {
        connect(&signal, held)
    };
    let fill = started.elapsed().as_nanos() as f64;
    let handles = size_of::<Connection>() * connections.len();

    let mut values = BTreeMap::from([("fill".into(), fill / held as f64)]);
    if let (Some(before), Some(after)) = (before, in_use()) {
        values.insert(
            "bytes".into(),
            after.saturating_sub(before + handles) as f64,
        );
    }
    let mut random = Lcg(5);
    let mut taken: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..rounds {
        let changed = CHANGED.min(held);
        // Apart from one another, from a place that differs each round.
        let offset = random.below(held as usize) as u64;
        let places = (0..changed).map(|n| (offset + n * (held / changed)) % held);
        let places: Vec<u64> = places.collect();

        let started = Instant::now();
        for &at in &places {
            connections[at as usize].disconnect();
        }
        let disconnect = started.elapsed().as_nanos() as f64 / changed as f64;
        let started = Instant::now();
        for &at in &places {
            let sender = if by_sender {
                Sender::key(at.into())
            } else {
                Sender::NONE
            };
            let options = signal.options().sender(sender);
            connections[at as usize] = options.connect(move |_sender, x| {
                black_box(at + x);
            });
        }
        let connect = started.elapsed().as_nanos() as f64 / changed as f64;
        taken.entry("disconnect").or_default().push(disconnect);
        taken.entry("connect").or_default().push(connect);
        taken
            .entry("send")
            .or_default()
            .push(send(&signal, held, by_sender, &mut random));
    }
    for (name, mut taken) in taken {
        values.insert(name.into(), median(&mut taken));
    }
    let work = if by_sender {
        "growth senders"
    } else {
        "growth receivers"
    };
    Row::new(work, "fanfare `signal`", held, values)
}

/// Nanoseconds of one send: to all receivers, or from a random sender.
fn send(signal: &Signal<u64>, held: u64, by_sender: bool, random: &mut Lcg) -> f64 {
    let repeats = if by_sender {
        10_000
    } else {
        (100_000 / held).max(1)
    };
    let started = Instant::now();
    for _ in 0..repeats {
        let sender = if by_sender {
            Sender::key(random.below(held as usize) as u128)
        } else {
            Sender::NONE
        };
        black_box(signal).from(sender).send(black_box(&1));
    }
    started.elapsed().as_nanos() as f64 / repeats as f64
}
