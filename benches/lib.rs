//! What the benchmarks share: receivers that do one addition each, and the rivals that
//! they are measured against.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fanfare::{Connection, Sender, Signal};

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
pub fn connect(signal: &Signal<u64>, n: u64) -> Vec<Connection> {
    signal.connect_many((0..n).map(|c| {
        signal.options().prepare(move |_sender, x| {
            black_box(c + x);
        })
    }))
}

/// Connects one receiver for each of `n` senders, the keys from 0.
pub fn connect_senders(signal: &Signal<u64>, n: u64) -> Vec<Connection> {
    signal.connect_many((0..n).map(|c| {
        let options = signal.options().sender(Sender::key(c.into()));
        options.prepare(move |_sender, x| {
            black_box(c + x);
        })
    }))
}

/// A signal with one living receiver, and `dead` weak ones whose targets have died. No send has met
/// them.
pub fn connect_dead(dead: u64) -> Signal<u64> {
    let signal = Signal::<u64>::new();
    let targets: Vec<_> = (0..dead).map(Arc::new).collect();
    let prepare = |target| {
        signal
            .options()
            .prepare_weak(target, |c: &u64, _sender, x| {
                black_box(c + x);
            })
    };
    signal.connect_many(targets.iter().map(prepare));
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

/// Runs `work` on so many threads at once; returns what the slowest took.
///
/// They start by spinning and not on a lock: a thread that sleeps there can take longer to
/// wake than the work takes, and the two would run one after the other.
pub fn on_threads(count: usize, work: &(dyn Fn() + Sync)) -> Duration {
    let waiting = AtomicUsize::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|_| {
                scope.spawn(|| {
                    // Relaxed: nothing is read because of it.
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
