//! The cost of a receiver that is counted, beside an observer that does nothing. Informs; fails
//! nothing.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use fanfare::Signal;
use fanfare::watch::{self, Observer};
use fanfare_metrics::Metrics;

const RECEIVERS: u32 = 16;
const SENDS: u32 = 2_000;
const ROUNDS: usize = 201;

struct Idle;

impl Observer for Idle {
    fn wants_durations(&self) -> bool {
        false
    }
}

fn signal() -> Signal<u64> {
    let signal = Signal::new();
    for more in 0..u64::from(RECEIVERS) {
        signal.connect(move |_sender, event| {
            black_box(event + more);
        });
    }
    signal
}

/// Returns the nanoseconds for each receiver.
fn time(signal: &Signal<u64>) -> f64 {
    let started = Instant::now();
    for _ in 0..SENDS {
        black_box(signal).send(black_box(&1));
    }
    started.elapsed().as_nanos() as f64 / f64::from(SENDS * RECEIVERS)
}

fn main() {
    let (unobserved, idle, counted) = (signal(), signal(), signal());
    let metrics = Metrics::new();
    let _watches = (
        watch::signal(&idle, Idle),
        watch::signal(&counted, metrics.clone()),
    );
    let mut times = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        for at in 0..3 {
            let at = (at + round) % 3;
            times[at].push(time([&unobserved, &idle, &counted][at]));
        }
    }
    let names = ["unobserved", "an idle observer", "metrics"];
    println!("ns for each of {RECEIVERS} receivers: least / median");
    for (name, times) in names.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        println!("  {name:<18} {:>6.1} / {:.1}", times[0], times[ROUNDS / 2]);
    }
    let more = |at: usize| times[2][at] - times[1][at];
    println!("  metrics add {:.1} / {:.1}", more(0), more(ROUNDS / 2));

    let mut two = Vec::new();
    for _ in 0..ROUNDS / 4 {
        let both = thread::scope(|scope| {
            let threads = [(); 2].map(|()| scope.spawn(|| time(&counted)));
            threads.map(|thread| thread.join().unwrap())
        });
        two.push(both[0].max(both[1]));
    }
    two.sort_by(f64::total_cmp);
    println!(
        "  metrics on two threads at once: {:.1} / {:.1}",
        two[0],
        two[two.len() / 2]
    );
}
