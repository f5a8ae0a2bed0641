//! Sends N events to 4 receivers: `batch/{bare,send,send_batch}/{16,1024}`. `bare` is, for each
//! event, a loop over a vector of boxed closures; `send` is one send for each event; `send_batch`
//! is one for all. The receivers are ordinary ones, called for each event.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::Signal;
use fanfare_benches::{boxed, connect, park_a_thread};

const EVENTS: [u64; 2] = [16, 1024];
const RECEIVERS: u64 = 4;

fn batch(c: &mut Criterion) {
    park_a_thread();
    let bare = boxed(RECEIVERS);
    let signal = Signal::<u64>::new();
    connect(&signal, RECEIVERS);
    let mut group = c.benchmark_group("batch");
    for n in EVENTS {
        let events: Vec<u64> = (0..n).collect();
        group.throughput(Throughput::Elements(n));
        group.bench_function(BenchmarkId::new("bare", n), |b| {
            b.iter(|| {
                for event in black_box(&events) {
                    for receiver in black_box(&bare) {
                        receiver(event);
                    }
                }
            });
        });
        group.bench_function(BenchmarkId::new("send", n), |b| {
            b.iter(|| {
                for event in black_box(&events) {
                    black_box(&signal).send(event);
                }
            });
        });
        group.bench_function(BenchmarkId::new("send_batch", n), |b| {
            b.iter(|| black_box(&signal).send_batch(black_box(&events)));
        });
    }
    group.finish();
}

criterion_group!(benches, batch);
criterion_main!(benches);
