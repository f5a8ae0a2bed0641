//! The parts that the benchmarks share: receivers that do one addition each, and the rivals that
//! they are measured against.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fanfare::connections::Connections;
use fanfare::{Sender, Signal};

/// The rivals' receivers.
pub type Boxed = Box<dyn Fn(&u64) + Send + Sync>;

/// `n` receivers as a vector of closures holds them.
pub fn boxed(n: u64) -> Vec<Boxed> {
    let receiver = |c: u64| -> Boxed {
        Box::new(move |x| {
            black_box(c + x);
        })
    };
    (0..n).map(receiver).collect()
}

/// Connects `n` such receivers to `signal`.
pub fn connect(signal: &Signal<u64>, n: u64) -> Connections {
    signal.change(|changes| {
        for c in 0..n {
            changes.connect(move |_sender, x| {
                black_box(c + x);
            });
        }
    })
}

/// Connects one receiver for each of `n` senders, the keys from 0.
pub fn connect_senders(signal: &Signal<u64>, n: u64) -> Connections {
    signal.change(|changes| {
        for c in 0..n {
            let options = changes.options().sender(Sender::key(c.into()));
            options.connect(move |_sender, x| {
                black_box(c + x);
            });
        }
    })
}

/// A signal with one living receiver, and `dead` weak ones whose targets have died. No send has met
/// them.
pub fn connect_dead(dead: u64) -> Signal<u64> {
    let signal = Signal::<u64>::new();
    let targets: Vec<_> = (0..dead).map(Arc::new).collect();
    signal.change(|changes| {
        for target in &targets {
            let options = changes.options();
            options.connect_weak(target, |c: &u64, _sender, x| {
                black_box(c + x);
            });
        }
    });
    connect(&signal, 1);
    signal
}

/// A thread that does nothing: with a single thread alive some libraries leave their
/// atomics out, and the figures would be of that.
pub fn park_a_thread() {
    std::thread::spawn(|| {
        loop {
            std::thread::park();
        }
    });
}

/// Runs `work` on `count` threads at once, and returns the time of the slowest.
///
/// They start by spinning and not on a lock: a thread that sleeps there can take longer to
/// wake than the work takes, and the two would run one after the other.
pub fn on_threads(count: usize, work: &(dyn Fn() + Sync)) -> Duration {
    let waiting = AtomicUsize::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|_| {
                scope.spawn(|| {
                    // Relaxed: it orders no other data.
                    waiting.fetch_sub(1, Ordering::Relaxed);
                    while waiting.load(Ordering::Relaxed) != 0 {
                        std::hint::spin_loop();
                    }
                    let started = Instant::now();
                    work();
                    started.elapsed()
                })
            })
            .collect();
        let took = threads
            .into_iter()
            .map(|thread| thread.join().expect("the work does not panic"));
        took.max().expect("there is a thread")
    })
}

/// Numbers that look random and are the same every time.
pub struct Lcg(pub u64);

impl Lcg {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}

/// The number of rounds of [`measure`].
pub const ROUNDS: usize = 41;
/// The approximate time of one case in one round.
const ROUND_NS: f64 = 2_000_000.0;

/// A named piece of work that repeats itself the given number of times.
pub type Case<'c> = (String, Box<dyn FnMut(u64) + 'c>);

/// Returns the nanoseconds per repetition of each case: (least, median) over shuffled rounds.
pub fn measure(mut cases: Vec<Case<'_>>) -> BTreeMap<String, (f64, f64)> {
    let mut random = Lcg(7);
    let repeats: Vec<u64> = cases
        .iter_mut()
        .map(|(_, run)| {
            let mut repeats = 1;
            loop {
                let started = Instant::now();
                run(repeats);
                let took = started.elapsed().as_nanos() as f64;
                if took > ROUND_NS / 4.0 {
                    break ((repeats as f64 * ROUND_NS / took) as u64).max(1);
                }
                repeats *= 2;
            }
        })
        .collect();
    let mut taken = vec![Vec::with_capacity(ROUNDS); cases.len()];
    let mut order: Vec<usize> = (0..cases.len()).collect();
    for _ in 0..ROUNDS {
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at + 1));
        }
        for &at in &order {
            let started = Instant::now();
            cases[at].1(repeats[at]);
            taken[at].push(started.elapsed().as_nanos() as f64 / repeats[at] as f64);
        }
    }
    let summary = cases.iter().zip(taken).map(|((name, _), mut taken)| {
        taken.sort_by(f64::total_cmp);
        (name.clone(), (taken[0], taken[taken.len() / 2]))
    });
    summary.collect()
}
