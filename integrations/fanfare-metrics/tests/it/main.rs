//! The metrics of sends and receivers, as a recorder gets them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use fanfare::{Queue, Signal, watch};
use fanfare_metrics::Metrics;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

/// Returns the metrics of a report, by their names and labels.
fn report(metrics: &Metrics) -> BTreeMap<String, Vec<f64>> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || metrics.report());
    let values = snapshotter.snapshot().into_vec().into_iter();
    let values = values.map(|(key, _, _, value)| {
        let labels = key.key().labels();
        let labels: Vec<_> = labels
            .map(|it| format!("{}={}", it.key(), it.value()))
            .collect();
        let values = match value {
            DebugValue::Counter(count) => vec![count as f64],
            DebugValue::Gauge(value) => vec![value.into_inner()],
            DebugValue::Histogram(values) => values.iter().map(|it| it.into_inner()).collect(),
        };
        (
            format!("{}{{{}}}", key.key().name(), labels.join(",")),
            values,
        )
    });
    values.collect()
}

const SECONDS: &str = "fanfare_receiver_seconds{signal=u32,receiver=index}";

#[test]
fn sends_and_receivers_are_counted() {
    let saved = Signal::<u32>::new();
    let metrics = Metrics::new();
    let _watch = watch::signal(&saved, metrics.clone());
    saved.send(&1);
    let connection = saved
        .options()
        .name("index")
        .connect(|_sender, milliseconds| {
            thread::sleep(Duration::from_millis((*milliseconds).into()));
        });
    saved.send(&20);
    saved.send(&20);
    let values = report(&metrics);
    assert_eq!(values["fanfare_sends_total{signal=u32}"], [3.0]);
    assert_eq!(values["fanfare_sends_unreached_total{signal=u32}"], [1.0]);
    assert_eq!(values[SECONDS].len(), 2);
    assert!(values[SECONDS].iter().all(|it| *it > 0.017), "{values:?}");
    assert_eq!(values.len(), 3, "{values:?}");
    assert!(report(&metrics).is_empty());

    saved.send(&0);
    connection.disconnect();
    assert_eq!(report(&metrics)[SECONDS].len(), 1);
    assert!(report(&metrics).is_empty());
}

#[test]
fn panics_are_counted() {
    let saved = Signal::<u32>::new();
    let metrics = Metrics::new();
    let _watch = watch::signal(&saved, metrics.clone());
    let options = saved.options().name("index");
    options.connect(|_sender, _id| panic!("too hot"));
    catch_unwind(AssertUnwindSafe(|| saved.send(&1))).unwrap_err();
    let values = report(&metrics);
    let failures = "fanfare_receiver_failures_total{signal=u32,receiver=index}";
    assert_eq!(values[failures], [1.0]);
    assert_eq!(values["fanfare_sends_cut_off_total{signal=u32}"], [1.0]);
    assert_eq!(values[SECONDS].len(), 1);
}

#[test]
fn the_counts_of_all_threads_are_reported() {
    let saved = Signal::<u32>::new();
    let metrics = Metrics::new();
    let _watch = watch::signal(&saved, metrics.clone());
    saved.options().name("index").connect(|_sender, _id| ());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1_000).for_each(|id| drop(saved.send(&id))));
        }
    });
    let values = report(&metrics);
    assert_eq!(values["fanfare_sends_total{signal=u32}"], [4_000.0]);
    assert_eq!(values[SECONDS].len(), 4_000);
}

#[test]
fn nested_receivers_have_their_own_times() {
    let outer = Signal::<u64>::new();
    static INNER: Signal<u32> = Signal::new();
    let metrics = Metrics::new();
    let _watches = [
        watch::signal(&outer, metrics.clone()),
        watch::signal(&INNER, metrics.clone()),
    ];
    INNER.options().name("index").connect(|_sender, _id| ());
    outer.options().name("relay").connect(|_sender, _id| {
        INNER.send(&1);
        thread::sleep(Duration::from_millis(20));
    });
    outer.send(&1);
    let values = report(&metrics);
    assert!(values[SECONDS][0] < 0.01, "{values:?}");
    let relay = &values["fanfare_receiver_seconds{signal=u64,receiver=relay}"];
    assert!(relay[0] > 0.017, "{values:?}");
}

#[test]
fn async_receivers_have_their_own_times() {
    let saved = Signal::<u32>::new();
    let metrics = Metrics::new();
    let _watch = watch::signal(&saved, metrics.clone());
    for name in ["index", "other"] {
        let options = saved.options().name(name).dispatch_uid(name);
        options.connect_async(|_sender, _id| Box::pin(async {}));
    }
    pollster::block_on(saved.asend(&1));
    let values = report(&metrics);
    assert_eq!(values[SECONDS].len(), 1);
    assert_eq!(
        values["fanfare_receiver_seconds{signal=u32,receiver=other}"].len(),
        1
    );
}

#[test]
fn queued_events_are_counted() {
    let saved = Signal::<u32>::new();
    let queue = Queue::bounded(8).unwrap();
    let metrics = Metrics::new();
    let _watch = watch::signal(&saved, metrics.clone());
    let options = saved.options().name("index").queued(&queue);
    options.connect(|_sender, _id| ());
    saved.send(&1);
    queue.flush().unwrap();
    let values = report(&metrics);
    let queued = "fanfare_receiver_queued_total{signal=u32,receiver=index}";
    assert_eq!(values[queued], [1.0]);
    assert_eq!(values[SECONDS].len(), 1);
}
