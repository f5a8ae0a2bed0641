//! Two threads on one signal: `send_contended/{signal,emitter,rwlock}`. The time is that of
//! one thread while the other does the same.

use std::hint::black_box;
use std::sync::RwLock;

use criterion::{Criterion, criterion_group, criterion_main};
use fanfare::Signal;
use fanfare_benches::{boxed, connect, on_threads};

const RECEIVERS: u64 = 4;

fn send_contended(c: &mut Criterion) {
    let mut group = c.benchmark_group("send_contended");

    let signal = Signal::<u64>::new();
    connect(&signal, RECEIVERS);
    group.bench_function("signal", |b| {
        b.iter_custom(|rounds| {
            on_threads(2, &|| {
                for _ in 0..rounds {
                    black_box(&signal).send(black_box(&1));
                }
            })
        });
    });
    group.bench_function("emitter", |b| {
        b.iter_custom(|rounds| {
            on_threads(2, &|| {
                let mut emitter = signal.emitter();
                for _ in 0..rounds {
                    black_box(&mut emitter).send(black_box(&1));
                }
            })
        });
    });

    let rwlock = RwLock::new(boxed(RECEIVERS));
    group.bench_function("rwlock", |b| {
        b.iter_custom(|rounds| {
            on_threads(2, &|| {
                for _ in 0..rounds {
                    for receiver in black_box(&rwlock).read().unwrap().iter() {
                        receiver(black_box(&1));
                    }
                }
            })
        });
    });
    group.finish();
}

criterion_group!(benches, send_contended);
criterion_main!(benches);
