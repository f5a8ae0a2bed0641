//! One connect and one disconnect while many receivers are held:
//! `connect_disconnect/{newest,random}/{1000,100000,1000000}`, and the same with that many
//! distinct senders, `connect_disconnect_senders/random/{1000,100000,1000000}`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use fanfare::{Connection, Sender, Signal};
use fanfare_benches::{Lcg, connect, connect_senders};

const HELD: [u64; 3] = [1_000, 100_000, 1_000_000];

fn connect_disconnect(c: &mut Criterion) {
    let mut group = c.benchmark_group("connect_disconnect");
    for n in HELD {
        let signal = Signal::<u64>::new();
        let mut held = connect(&signal, n);
        group.bench_with_input(BenchmarkId::new("newest", n), &n, |b, _| {
            b.iter(|| add(&signal, n).disconnect());
        });
        let mut random = Lcg(1);
        group.bench_with_input(BenchmarkId::new("random", n), &n, |b, _| {
            b.iter(|| {
                let at = random.below(held.len());
                let added = add(&signal, n);
                std::mem::replace(&mut held[at], added).disconnect()
            });
        });
    }
    group.finish();
}

fn connect_disconnect_senders(c: &mut Criterion) {
    let mut group = c.benchmark_group("connect_disconnect_senders");
    for n in HELD {
        let signal = Signal::<u64>::new();
        let mut held = connect_senders(&signal, n);
        let mut random = Lcg(1);
        group.bench_with_input(BenchmarkId::new("random", n), &n, |b, _| {
            b.iter(|| {
                let at = random.below(held.len());
                held[at].disconnect();
                let sender = Sender::key(at as u128);
                held[at] = signal.options().sender(sender).connect(move |_sender, x| {
                    black_box(n + x);
                });
            });
        });
    }
    group.finish();
}

fn add(signal: &Signal<u64>, c: u64) -> Connection {
    signal.connect(move |_sender, x| {
        black_box(c + x);
    })
}

criterion_group!(benches, connect_disconnect, connect_disconnect_senders);
criterion_main!(benches);
