//! A receiver that a thread has run before is counted without an allocation.

use fanfare::{Signal, watch};
use fanfare_metrics::Metrics;

#[test]
fn a_counted_send_allocates_nothing() {
    let saved = Signal::<u32>::new();
    let metrics = Metrics::new();
    let unobserved = Signal::<u32>::new();
    for signal in [&saved, &unobserved] {
        for name in ["first", "second"] {
            let options = signal.options().name(name).dispatch_uid(name);
            options.connect(|_sender, _id| ());
        }
    }
    let _watch = watch::signal(&saved, metrics.clone());
    saved.send(&1);
    let counted = allocation_counter::measure(|| {
        for id in 0..100 {
            saved.send(&id);
        }
    });
    assert_eq!(counted.count_total, 0);
}
