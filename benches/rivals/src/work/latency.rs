//! Measures single sends while another thread connects and disconnects without pause.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::cores::{self, stay_on};
use crate::measure::{Effort, shuffled};
use crate::results::Row;
use crate::rival::{self, Apart, Rival, Visit};

const RECEIVERS: u64 = 4;
/// Ten seconds: what takes longer is entered as that.
const LONGEST: u64 = 10_000_000_000;

static STOP: Apart<AtomicBool> = Apart(AtomicBool::new(false));
static PAIRS: Apart<AtomicU64> = Apart(AtomicU64::new(0));

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    if cores::count() < 2 {
        let why = "the two threads need a core each";
        return vec![Row::without("latency", "Rust", RECEIVERS, why)];
    }
    let mut latency = Latency {
        sends: effort.timed_sends,
        runs: Vec::new(),
        left_out: Vec::new(),
    };
    rival::each(&mut latency);
    let Latency {
        mut runs, left_out, ..
    } = latency;
    for at in shuffled(runs.len(), effort.timed_rounds) {
        let run = &mut runs[at];
        (run.round)(&mut run.taken);
    }
    let mut rows: Vec<Row> = runs.iter().map(|run| run.taken.row(run.rival)).collect();
    rows.extend(left_out);
    rows.push(timer(effort.timed_sends).row("(the timer alone)"));
    rows
}

/// The times of one rival.
struct Taken {
    sends: Histogram<u64>,
    pairs: u64,
    microseconds: f64,
}

impl Taken {
    fn new() -> Self {
        Taken {
            sends: histogram(),
            pairs: 0,
            microseconds: 0.0,
        }
    }

    fn row(&self, rival: &str) -> Row {
        let mut values = percentiles(&self.sends);
        if self.microseconds > 0.0 {
            values.insert("pairs/µs".into(), self.pairs as f64 / self.microseconds);
        }
        Row::new("latency", rival, RECEIVERS, values)
    }
}

pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are in order")
}

/// The percentiles of latencies that were counted elsewhere.
pub(crate) fn sum_up(row: &mut Row) {
    if row.counts.is_empty() {
        return;
    }
    let mut sends = histogram();
    for (nanoseconds, count) in row.counts.drain(..) {
        sends.saturating_record_n(nanoseconds, count);
    }
    row.values.extend(percentiles(&sends));
}

pub(super) fn percentiles(sends: &Histogram<u64>) -> BTreeMap<String, f64> {
    let at = |quantile| sends.value_at_quantile(quantile) as f64;
    BTreeMap::from([
        ("p50".into(), at(0.5)),
        ("p99".into(), at(0.99)),
        ("p99.9".into(), at(0.999)),
        ("p99.99".into(), at(0.9999)),
        ("p99.999".into(), at(0.99999)),
        ("max".into(), sends.max() as f64),
    ])
}

fn timer(sends: u64) -> Taken {
    let mut taken = Taken::new();
    for _ in 0..sends {
        let started = Instant::now();
        let took = started.elapsed().as_nanos() as u64;
        taken.sends.saturating_record(took);
    }
    taken
}

struct Run {
    rival: &'static str,
    round: Box<dyn FnMut(&mut Taken)>,
    taken: Taken,
}

struct Latency {
    sends: u64,
    runs: Vec<Run>,
    left_out: Vec<Row>,
}

impl Visit for Latency {
    fn visit<R: Rival>(&mut self) {
        if !R::CHANGES {
            let why = "nothing can change while it is shared";
            let row = Row::without("latency", R::NAME, RECEIVERS, why);
            self.left_out.push(row);
            return;
        }
        let (rival, held) = R::with(RECEIVERS);
        let rival = Box::new(Apart(rival));
        let sends = self.sends;
        self.runs.push(Run {
            rival: R::NAME,
            round: Box::new(move |taken| {
                let _held = &held;
                under_churn(&rival.0, sends, taken);
            }),
            taken: Taken::new(),
        });
    }
}

fn under_churn<R: Rival>(rival: &R, sends: u64, taken: &mut Taken) {
    // Relaxed throughout: these two order no other data.
    STOP.0.store(false, Ordering::Relaxed);
    PAIRS.0.store(0, Ordering::Relaxed);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            stay_on(1);
            let mut pairs = 0;
            while !STOP.0.load(Ordering::Relaxed) {
                let held = rival.connect(RECEIVERS + pairs);
                rival.disconnect(held);
                pairs += 1;
                PAIRS.0.store(pairs, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            stay_on(0);
            while PAIRS.0.load(Ordering::Relaxed) == 0 {
                std::hint::spin_loop();
            }
            let mut local = rival.local(1);
            let (began, before) = (Instant::now(), PAIRS.0.load(Ordering::Relaxed));
            for _ in 0..sends {
                let started = Instant::now();
                black_box(rival).send(black_box(&mut local));
                let took = started.elapsed().as_nanos() as u64;
                taken.sends.saturating_record(took);
            }
            taken.microseconds += began.elapsed().as_secs_f64() * 1e6;
            taken.pairs += PAIRS.0.load(Ordering::Relaxed) - before;
            STOP.0.store(true, Ordering::Relaxed);
        });
    });
}
