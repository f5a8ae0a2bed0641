//! The cost of a send after the targets of weak receivers have died.

use fanfare::connections::purged;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use fanfare_benches::connect_dead;

use crate::measure::{Effort, median};
use crate::results::Row;

/// Sends of which the average is taken, once the dead are out.
const LATER: u32 = 10_000;

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let dead = effort.weak_dead.iter();
    dead.map(|&dead| row(dead, effort.rounds.min(15))).collect()
}

/// `first`: the first send after the deaths, for each of the dead. `later`: one send after it.
fn row(dead: u64, rounds: usize) -> Row {
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let signal = connect_dead(dead);
        let started = Instant::now();
        black_box(&signal).send(black_box(&1));
        first.push(started.elapsed().as_nanos() as f64 / dead as f64);
        assert_eq!(purged(&signal), dead);

        let started = Instant::now();
        for _ in 0..LATER {
            black_box(&signal).send(black_box(&1));
        }
        later.push(started.elapsed().as_nanos() as f64 / f64::from(LATER));
    }
    let values = BTreeMap::from([
        ("first".into(), median(&mut first)),
        ("later".into(), median(&mut later)),
    ]);
    Row::new("weak_dead", "fanfare `signal`", dead, values)
}
