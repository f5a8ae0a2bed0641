//! Runs cases in rounds, in shuffled order, and condenses the times.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fanfare_benches::Lcg;

use crate::results::Row;

/// The amount of work.
pub(crate) struct Effort {
    /// The number of times that each case is run.
    pub(crate) rounds: usize,
    /// The approximate time of one case in one round.
    pub(crate) round: Duration,
    /// The numbers of receivers that are held while one connects and disconnects.
    pub(crate) held: &'static [u64],
    pub(crate) senders: &'static [u64],
    /// Sends whose latency is taken, in each of the rounds of that.
    pub(crate) timed_sends: u64,
    pub(crate) timed_rounds: usize,
    /// Sends of each run of the tail, and the runs.
    pub(crate) tail_sends: u64,
    pub(crate) tail_runs: usize,
    /// Receivers whose memory is measured.
    pub(crate) in_memory: u64,
    /// The largest number to which ours grows.
    pub(crate) growth: u64,
    /// The numbers of weak receivers that die before a send.
    pub(crate) weak_dead: &'static [u64],
    pub(crate) threads: usize,
}

impl Effort {
    pub(crate) fn full(threads: usize) -> Self {
        Effort {
            rounds: 41,
            round: Duration::from_millis(2),
            held: &[1_000, 100_000, 1_000_000],
            senders: &[1, 1_000, 1_000_000],
            timed_sends: 200_000,
            timed_rounds: 15,
            tail_sends: 5_000_000,
            tail_runs: 5,
            in_memory: 100_000,
            growth: 10_000_000,
            weak_dead: &[1_000, 100_000, 1_000_000],
            threads,
        }
    }

    pub(crate) fn quick(threads: usize) -> Self {
        Effort {
            rounds: 7,
            round: Duration::from_micros(300),
            held: &[1_000, 10_000],
            senders: &[1, 1_000, 10_000],
            timed_sends: 50_000,
            timed_rounds: 2,
            tail_sends: 50_000,
            tail_runs: 1,
            in_memory: 10_000,
            growth: 10_000,
            weak_dead: &[1_000, 10_000],
            threads,
        }
    }
}

/// The numbers of receivers that sends are measured with.
pub(crate) const RECEIVERS: [u64; 6] = [0, 1, 4, 16, 64, 1024];

/// A piece of work that repeats itself the given number of times and returns the time that this
/// took.
pub(crate) struct Case<'c> {
    pub(crate) rival: String,
    pub(crate) at: u64,
    pub(crate) run: Box<dyn FnMut(u64) -> Duration + 'c>,
}

impl<'c> Case<'c> {
    /// One that is timed as a whole.
    pub(crate) fn timed(rival: &str, at: u64, mut run: impl FnMut(u64) + 'c) -> Self {
        let run = move |repeats| {
            let started = Instant::now();
            run(repeats);
            started.elapsed()
        };
        Case {
            rival: rival.into(),
            at,
            run: Box::new(run),
        }
    }
}

/// Returns a row for each case: the least and the median time of one repetition, in nanoseconds.
pub(crate) fn measure(work: &str, effort: &Effort, mut cases: Vec<Case<'_>>) -> Vec<Row> {
    let repeats: Vec<u64> = cases
        .iter_mut()
        .map(|case| repeats(case, effort.round))
        .collect();
    let mut taken = vec![Vec::with_capacity(effort.rounds); cases.len()];
    for at in shuffled(cases.len(), effort.rounds) {
        let took = (cases[at].run)(repeats[at]);
        taken[at].push(took.as_nanos() as f64 / repeats[at] as f64);
    }
    let rows = cases.iter().zip(taken).map(|(case, mut taken)| {
        let median = median(&mut taken);
        let values = BTreeMap::from([("least".into(), taken[0]), ("median".into(), median)]);
        Row::new(work, &case.rival, case.at, values)
    });
    let rows = rows.collect();
    // Kept forever: a heap with holes favors some of those that are filled next.
    std::mem::forget(cases);
    rows
}

/// Returns the number of repetitions that fill a round.
fn repeats(case: &mut Case<'_>, round: Duration) -> u64 {
    let mut repeats = 1;
    loop {
        let took = (case.run)(repeats);
        if took > round / 4 {
            let fit = repeats as f64 * round.as_secs_f64() / took.as_secs_f64();
            return (fit as u64).max(1);
        }
        repeats *= 2;
    }
}

/// Returns the numbers below `cases`, `rounds` times over, each time in another order.
pub(crate) fn shuffled(cases: usize, rounds: usize) -> Vec<usize> {
    let mut random = Lcg(7);
    let mut order: Vec<usize> = (0..cases).collect();
    let mut all = Vec::with_capacity(cases * rounds);
    for _ in 0..rounds {
        for at in (1..cases).rev() {
            order.swap(at, random.below(at + 1));
        }
        all.extend_from_slice(&order);
    }
    all
}

/// Sorts them.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
