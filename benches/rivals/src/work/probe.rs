//! Measures the distance of the two cores that a run got, because a hypervisor moves them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::cores::{self, stay_on};
use crate::results::Row;
use crate::rival::Apart;

const TRIPS: u64 = 20_000;

/// The round trip of one cache line between two threads, in nanoseconds: 70 to 150 if they
/// share a cache, several hundred if not. Nothing on a single core.
pub(crate) fn ping_pong(at: u64) -> Option<Row> {
    if cores::count() < 2 {
        return None;
    }
    static LINE: Apart<AtomicU64> = Apart(AtomicU64::new(0));
    // Relaxed throughout: it orders no other data.
    let wait_for = |value| {
        while LINE.0.load(Ordering::Relaxed) != value {
            std::hint::spin_loop();
        }
    };
    LINE.0.store(0, Ordering::Relaxed);
    let nanoseconds = std::thread::scope(|scope| {
        scope.spawn(|| {
            stay_on(1);
            for trip in 0..TRIPS {
                wait_for(2 * trip + 1);
                LINE.0.store(2 * trip + 2, Ordering::Relaxed);
            }
        });
        let serve = scope.spawn(|| {
            stay_on(0);
            let started = Instant::now();
            for trip in 0..TRIPS {
                LINE.0.store(2 * trip + 1, Ordering::Relaxed);
                wait_for(2 * trip + 2);
            }
            started.elapsed()
        });
        let took = serve.join().expect("it does not panic");
        took.as_nanos() as f64 / TRIPS as f64
    });
    let values = BTreeMap::from([("round trip".into(), nanoseconds)]);
    Some(Row::new("ping pong", "a cache line", at, values))
}
