//! One send: `send/{bare,arcswap,signal,emitter,frozen,rwlock}/{0,1,4,16,64,1024}`,
//! `send_by_sender/{1,1000,1000000}` and `weak_dead/{1000,100000,1000000}`.

use std::hint::black_box;
use std::sync::RwLock;

use arc_swap::ArcSwap;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use fanfare::{Sender, Signal};
use fanfare_benches::{boxed, connect, connect_dead, connect_senders, park_a_thread};

const RECEIVERS: [u64; 6] = [0, 1, 4, 16, 64, 1024];

fn send(c: &mut Criterion) {
    park_a_thread();
    let mut group = c.benchmark_group("send");
    for n in RECEIVERS {
        let bare = boxed(n);
        group.bench_with_input(BenchmarkId::new("bare", n), &n, |b, _| {
            b.iter(|| {
                for receiver in black_box(&bare) {
                    receiver(black_box(&1));
                }
            });
        });

        let arcswap = ArcSwap::from_pointee(boxed(n));
        group.bench_with_input(BenchmarkId::new("arcswap", n), &n, |b, _| {
            b.iter(|| {
                for receiver in black_box(&arcswap).load().iter() {
                    receiver(black_box(&1));
                }
            });
        });

        let signal = Signal::<u64>::new();
        connect(&signal, n);
        group.bench_with_input(BenchmarkId::new("signal", n), &n, |b, _| {
            b.iter(|| black_box(&signal).send(black_box(&1)));
        });

        let mut emitter = signal.emitter();
        group.bench_with_input(BenchmarkId::new("emitter", n), &n, |b, _| {
            b.iter(|| black_box(&mut emitter).send(black_box(&1)));
        });

        let frozen = Signal::<u64>::new();
        connect(&frozen, n);
        frozen.freeze();
        group.bench_with_input(BenchmarkId::new("frozen", n), &n, |b, _| {
            b.iter(|| black_box(&frozen).send(black_box(&1)));
        });

        let rwlock = RwLock::new(boxed(n));
        group.bench_with_input(BenchmarkId::new("rwlock", n), &n, |b, _| {
            b.iter(|| {
                for receiver in black_box(&rwlock).read().unwrap().iter() {
                    receiver(black_box(&1));
                }
            });
        });
    }
    group.finish();
}

fn send_by_sender(c: &mut Criterion) {
    let mut group = c.benchmark_group("send_by_sender");
    for n in [1, 1_000, 1_000_000] {
        let signal = Signal::<u64>::new();
        connect_senders(&signal, n);
        let sender = Sender::key(u128::from(n / 2));
        group.bench_with_input(BenchmarkId::from_parameter(n), &n, |b, _| {
            b.iter(|| {
                black_box(&signal)
                    .from(black_box(sender))
                    .send(black_box(&1))
            });
        });
    }
    group.finish();
}

/// The first send after the deaths of N weak receivers: it takes them out.
fn weak_dead(c: &mut Criterion) {
    let mut group = c.benchmark_group("weak_dead");
    group.sample_size(10);
    for n in [1_000, 100_000, 1_000_000] {
        group.bench_with_input(BenchmarkId::from_parameter(n), &n, |b, &n| {
            b.iter_batched_ref(
                || connect_dead(n),
                |signal| signal.send(black_box(&1)),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, send, send_by_sender, weak_dead);
criterion_main!(benches);
