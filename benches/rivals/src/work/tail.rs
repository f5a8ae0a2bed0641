//! The tail of single sends while another thread changes the signal, at three rates.

use std::collections::BTreeMap;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::latency::{histogram, percentiles, sum_up};
use crate::cores::{self, stay_on};
use crate::measure::{Effort, median, shuffled};
use crate::results::{Row, said};
use crate::rival::{Apart, Rival};
use crate::rivals::locks::{RwLockHeld, RwLockSnapshot};
use crate::rivals::ours::{Asymmetric, Emitter, EmitterAsymmetric, Signal};
use crate::rivals::swaps::{ArcSwapCache, ArcSwapLoad};

pub(crate) const RECEIVERS: u64 = 4;
/// Changes a second, each a connect or a disconnect. `WITHOUT_PAUSE` sets no limit.
pub(crate) const RATES: [u64; 3] = [1_000, 100_000, WITHOUT_PAUSE];
const WITHOUT_PAUSE: u64 = 0;

/// After each run, so that the system catches up with other work before the next one.
const REST: Duration = Duration::from_millis(50);
/// A thread that sleeps may wake this much later: the rest of the time it spins.
const OVERSLEEPS: Duration = Duration::from_micros(200);

static STOP: Apart<AtomicBool> = Apart(AtomicBool::new(false));
static CHANGES: Apart<AtomicU64> = Apart(AtomicU64::new(0));

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    if cores::count() < 2 {
        let why = "the two threads need a core each";
        return vec![Row::without("tail", "Rust", RATES[0], why)];
    }
    let sends = effort.tail_sends;
    let mut cases: Vec<Case> = Vec::new();
    for rate in RATES {
        cases.extend([
            case::<Emitter>(sends, rate),
            case::<EmitterAsymmetric>(sends, rate),
            case::<Signal>(sends, rate),
            case::<Asymmetric>(sends, rate),
            case::<ArcSwapCache>(sends, rate),
            case::<ArcSwapLoad>(sends, rate),
            case::<RwLockSnapshot>(sends, rate),
            case::<RwLockHeld>(sends, rate),
        ]);
        cases.push(Box::new(move || timer(sends, rate)));
    }
    let mut rows = Vec::new();
    for at in shuffled(cases.len(), effort.tail_runs) {
        rows.push(cases[at]());
        sleep(REST);
    }
    let mut rows = medians(rows);
    rows.push(taken(sends, effort.tail_runs));
    rows
}

/// When this was measured, and on what load. It is not always measured with the other work.
fn taken(sends: u64, runs: usize) -> Row {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_string();
    let when = format!(
        "{}, commit `{}`: medians of {runs} runs of {sends} sends; the load average was {load} at the end",
        said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        crate::results::commit(),
    );
    Row::without("tail taken", "", 0, &when)
}

/// One run.
type Case = Box<dyn FnMut() -> Row>;

fn case<R: Rival>(sends: u64, rate: u64) -> Case {
    let (rival, held) = R::with(RECEIVERS);
    let rival = Box::new(Apart(rival));
    Box::new(move || {
        let _held = &held;
        under_changes(&rival.0, sends, rate)
    })
}

/// The medians of several runs, for each rival and rate.
pub(crate) fn medians(runs: Vec<Row>) -> Vec<Row> {
    let mut cases: Vec<(Row, BTreeMap<String, Vec<f64>>)> = Vec::new();
    for mut run in runs {
        sum_up(&mut run);
        let is_same = |(row, _): &(Row, _)| row.rival == run.rival && row.at == run.at;
        let at = cases.iter().position(is_same).unwrap_or_else(|| {
            cases.push((run.clone(), BTreeMap::new()));
            cases.len() - 1
        });
        for (name, value) in run.values {
            cases[at].1.entry(name).or_default().push(value);
        }
    }
    let rows = cases.into_iter().map(|(mut row, values)| {
        let values = values.into_iter();
        row.values = values
            .map(|(name, mut values)| (name, median(&mut values)))
            .collect();
        row
    });
    rows.collect()
}

fn row(rival: &str, rate: u64, sends: &Histogram<u64>) -> Row {
    Row::new("tail", rival, rate, percentiles(sends))
}

/// Measures the timer alone: the time that an empty send would seem to take.
fn timer(sends: u64, rate: u64) -> Row {
    let mut taken = histogram();
    // On a thread of its own: threads inherit the cores that this one may run on.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            stay_on(0);
            for _ in 0..sends {
                let started = Instant::now();
                taken.saturating_record(started.elapsed().as_nanos() as u64);
            }
        });
    });
    row("(the timer alone)", rate, &taken)
}

fn under_changes<R: Rival>(rival: &R, sends: u64, rate: u64) -> Row {
    // Relaxed throughout: these two order no other data.
    STOP.0.store(false, Ordering::Relaxed);
    CHANGES.0.store(0, Ordering::Relaxed);
    let mut taken = histogram();
    let mut changes_a_second = 0.0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Not on the core of the sends: it spins.
            stay_on(1);
            let mut held = None;
            let mut pace = Pace::of(rate);
            for change in 1.. {
                held = match held {
                    None => Some(rival.connect(RECEIVERS + change)),
                    Some(held) => {
                        rival.disconnect(held);
                        None
                    }
                };
                CHANGES.0.store(change, Ordering::Relaxed);
                if STOP.0.load(Ordering::Relaxed) {
                    break;
                }
                pace.wait();
            }
            if let Some(held) = held {
                rival.disconnect(held);
            }
        });
        scope.spawn(|| {
            stay_on(0);
            while CHANGES.0.load(Ordering::Relaxed) == 0 {
                spin_loop();
            }
            let mut local = rival.local(1);
            let (began, before) = (Instant::now(), CHANGES.0.load(Ordering::Relaxed));
            for _ in 0..sends {
                let started = Instant::now();
                black_box(rival).send(black_box(&mut local));
                let took = started.elapsed().as_nanos() as u64;
                taken.saturating_record(took);
            }
            let changes = CHANGES.0.load(Ordering::Relaxed) - before;
            changes_a_second = changes as f64 / began.elapsed().as_secs_f64();
            STOP.0.store(true, Ordering::Relaxed);
        });
    });
    let mut row = row(R::NAME, rate, &taken);
    row.values.insert("changes/s".into(), changes_a_second);
    row
}

/// When the next change is due.
struct Pace {
    period: Option<Duration>,
    due: Instant,
}

impl Pace {
    fn of(rate: u64) -> Self {
        Pace {
            period: (rate != WITHOUT_PAUSE).then(|| Duration::from_secs(1) / rate as u32),
            due: Instant::now(),
        }
    }

    /// Waits for the next moment that is due. Moments that have passed are left out.
    fn wait(&mut self) {
        let Some(period) = self.period else { return };
        self.due = Instant::now().max(self.due + period);
        loop {
            let left = self.due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            match left.checked_sub(OVERSLEEPS) {
                Some(left) => sleep(left),
                None => spin_loop(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, Row, WITHOUT_PAUSE, medians};
    use std::time::{Duration, Instant};

    #[test]
    fn changes_come_at_their_rate_and_no_faster() {
        let began = Instant::now();
        let mut pace = Pace::of(1_000);
        (0..20).for_each(|_| pace.wait());
        assert!(began.elapsed() >= Duration::from_millis(20));
        let mut pace = Pace::of(WITHOUT_PAUSE);
        (0..1_000_000).for_each(|_| pace.wait());
    }

    #[test]
    fn medians_are_of_the_runs_of_one_rival_at_one_rate() {
        let run = |rival: &str, at, value| {
            Row::new("tail", rival, at, [("p50".to_string(), value)].into())
        };
        let runs = vec![
            run("a", 1, 5.0),
            run("b", 1, 7.0),
            run("a", 1, 1.0),
            run("a", 2, 9.0),
            run("a", 1, 3.0),
        ];
        let rows = medians(runs);
        let found = rows
            .iter()
            .map(|row| (&*row.rival, row.at, row.values["p50"]));
        let found: Vec<_> = found.collect();
        assert_eq!(found, [("a", 1, 3.0), ("b", 1, 7.0), ("a", 2, 9.0)]);
    }
}
