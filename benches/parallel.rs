//! One send to receivers that are busy for 10 µs each, on rayon's own pool:
//! `parallel/{serial,rayon,send_parallel}/{8x10us,64x10us}`. `serial` is a loop over a vector of
//! boxed closures, `rayon` the bare `par_iter` over it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use fanfare::Signal;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

const BUSY: Duration = Duration::from_micros(10);
const RECEIVERS: [u64; 2] = [8, 64];

type Boxed = Box<dyn Fn(&u64) + Send + Sync>;

/// By the clock and not by a count of rounds: a core that is shared or throttled would change
/// the work itself.
fn be_busy(x: u64) {
    let started = Instant::now();
    while started.elapsed() < BUSY {
        black_box(x);
    }
}

fn parallel(c: &mut Criterion) {
    let mut group = c.benchmark_group("parallel");
    for n in RECEIVERS {
        let receiver = |c: u64| -> Boxed { Box::new(move |x| be_busy(c + x)) };
        let bare: Vec<Boxed> = (0..n).map(receiver).collect();
        let signal = Signal::<u64>::new();
        signal.change(|changes| {
            for c in 0..n {
                changes.connect(move |_sender, x| be_busy(c + x));
            }
        });
        let parameter = format!("{n}x10us");

        group.bench_function(BenchmarkId::new("serial", &parameter), |b| {
            b.iter(|| {
                for receiver in black_box(&bare) {
                    receiver(black_box(&1));
                }
            });
        });
        group.bench_function(BenchmarkId::new("rayon", &parameter), |b| {
            b.iter(|| {
                let event = black_box(&1);
                black_box(&bare)
                    .par_iter()
                    .for_each(|receiver| receiver(event));
            });
        });
        group.bench_function(BenchmarkId::new("send_parallel", &parameter), |b| {
            b.iter(|| black_box(&signal).send_parallel(black_box(&1)));
        });
    }
    group.finish();
}

criterion_group!(benches, parallel);
criterion_main!(benches);
