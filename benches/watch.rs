//! Sends that are observed: `watch/{off,nothing,count,timed}/{1,16,256}`. `count` has a counter for
//! each thread, and `timed` a histogram of durations as well.

use std::cell::Cell;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::Signal;
use fanfare::watch::{self, ObservedReceiver, ObservedSend, Observer, ReceiverEnd};
use fanfare_benches::{connect, park_a_thread};

const RECEIVERS: [u64; 3] = [1, 16, 256];

/// An observer that reads no step.
struct Nothing;

impl Observer for Nothing {
    fn wants_durations(&self) -> bool {
        false
    }
}

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static HISTOGRAM: [Cell<u64>; 64] = const { [const { Cell::new(0) }; 64] };
}

/// An observer that counts the receivers of each thread, and their durations if `TIMED`.
struct Count<const TIMED: bool>;

impl<const TIMED: bool> Observer for Count<TIMED> {
    fn receiver_ended(
        &self,
        _send: &ObservedSend<'_>,
        _receiver: &ObservedReceiver<'_>,
        end: &ReceiverEnd,
    ) {
        COUNT.set(COUNT.get() + 1);
        if let Some(duration) = end.duration {
            let bucket = (duration.as_nanos() as u64 | 1).ilog2() as usize;
            HISTOGRAM.with(|buckets| buckets[bucket].set(buckets[bucket].get() + 1));
        }
    }

    fn wants_durations(&self) -> bool {
        TIMED
    }
}

fn watch(c: &mut Criterion) {
    park_a_thread();
    let mut group = c.benchmark_group("watch");
    for n in RECEIVERS {
        group.throughput(Throughput::Elements(n));
        let mut case = |name: &str, observer: Option<fn(&Signal<u64>) -> watch::Watch>| {
            let signal = Signal::<u64>::new();
            connect(&signal, n);
            let _watch = observer.map(|attach| attach(&signal));
            group.bench_with_input(BenchmarkId::new(name, n), &n, |b, _| {
                b.iter(|| black_box(&signal).send(black_box(&1)));
            });
        };
        case("off", None);
        case("nothing", Some(|signal| watch::signal(signal, Nothing)));
        case(
            "count",
            Some(|signal| watch::signal(signal, Count::<false>)),
        );
        case("timed", Some(|signal| watch::signal(signal, Count::<true>)));
    }
}

criterion_group!(benches, watch);
criterion_main!(benches);
