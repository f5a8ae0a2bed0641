//! One event to one receiver on another thread: `queue/{crossbeam,queued}/{1,4}`, where the number
//! is of worker threads. `crossbeam` is a bare bounded channel for each worker, in turn, which also
//! carries the event in an `Arc`. The time is that of one event, from the first send until the last
//! has been received.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use crossbeam_channel::bounded;
use fanfare::{Queue, Sender, Signal};

const CAPACITY: usize = 1024;
const WORKERS: [usize; 2] = [1, 4];

fn queue(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue");
    group.throughput(Throughput::Elements(1));
    for workers in WORKERS {
        group.bench_function(BenchmarkId::new("crossbeam", workers), |b| {
            b.iter_custom(|events| crossbeam(workers, events));
        });
        let queue = Queue::builder().capacity(CAPACITY).workers(workers).build();
        let queue = queue.expect("threads can be started");
        let signal = Signal::<u64>::new();
        signal.options().queued(&queue).connect(|_sender, x| {
            black_box(x + 1);
        });
        group.bench_function(BenchmarkId::new("queued", workers), |b| {
            b.iter_custom(|events| {
                let started = Instant::now();
                for event in 0..events {
                    // Different senders, for those choose the worker.
                    signal
                        .from(Sender::key(u128::from(event % 64)))
                        .send(&event);
                }
                queue.flush().expect("this is no worker");
                started.elapsed()
            });
        });
        let report = queue.shutdown(Duration::MAX);
        drop(report.expect("this is no worker"));
    }
    group.finish();
}

fn crossbeam(workers: usize, events: u64) -> Duration {
    thread::scope(|scope| {
        let lines: Vec<_> = (0..workers)
            .map(|_| {
                let (line, received) = bounded::<Arc<u64>>(CAPACITY);
                let worker = scope.spawn(move || {
                    for event in received {
                        black_box(*event + 1);
                    }
                });
                (line, worker)
            })
            .collect();
        let started = Instant::now();
        for event in 0..events {
            let (line, _) = &lines[(event % workers as u64) as usize];
            line.send(Arc::new(event)).expect("the worker receives");
        }
        for (line, worker) in lines {
            drop(line);
            worker.join().expect("the worker does not panic");
        }
        started.elapsed()
    })
}

criterion_group!(benches, queue);
criterion_main!(benches);
