//! Async sends of futures that are ready: `asend/{join_all,signal}/{1,4,64,1000}`, where
//! `join_all` is the bare combinator over the same boxed futures.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use fanfare::{BoxFuture, Signal};
use fanfare_benches::park_a_thread;
use futures_util::future::join_all;

type Receiver = Box<dyn Fn(&u64) -> BoxFuture<'_, ()> + Send + Sync>;

fn asend(c: &mut Criterion) {
    park_a_thread();
    let mut group = c.benchmark_group("asend");
    for n in [1, 4, 64, 1000] {
        let receivers: Vec<Receiver> = (0..n)
            .map(|c: u64| -> Receiver {
                Box::new(move |x| {
                    Box::pin(async move {
                        black_box(c + x);
                    })
                })
            })
            .collect();
        group.bench_function(BenchmarkId::new("join_all", n), |b| {
            b.iter(|| {
                let futures = black_box(&receivers).iter().map(|start| start(&1));
                pollster::block_on(join_all(futures))
            });
        });
        let signal = Signal::<u64>::new();
        signal.change(|changes| {
            for c in 0..n {
                changes.options().connect_async(move |_sender, x| {
                    Box::pin(async move {
                        black_box(c + x);
                    })
                });
            }
        });
        group.bench_function(BenchmarkId::new("signal", n), |b| {
            b.iter(|| pollster::block_on(black_box(&signal).asend(&1)));
        });
    }
    group.finish();
}

criterion_group!(benches, asend);
criterion_main!(benches);
