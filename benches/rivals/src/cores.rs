//! Threads that run at the same time, each on a core of its own.
//!
//! Without that, a busy machine runs them one after the other on one core, and a lock costs as much
//! on two threads as on one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Returns the number of threads that can run at the same time.
pub(crate) fn count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Binds this thread to the core of that number, counted round; does nothing where that cannot
/// be done.
pub(crate) fn stay_on(number: usize) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if !cores.is_empty() {
        core_affinity::set_for_current(cores[number % cores.len()]);
    }
}

/// Runs `work` on `count` threads at once, and returns the time of the slowest.
pub(crate) fn on_threads(count: usize, work: &(dyn Fn() + Sync)) -> Duration {
    let waiting = AtomicUsize::new(count);
    let run = |number| {
        stay_on(number);
        // Relaxed: it orders no other data. They spin, as one that sleeps can take longer to wake
        // than the others take to work.
        waiting.fetch_sub(1, Ordering::Relaxed);
        while waiting.load(Ordering::Relaxed) != 0 {
            std::hint::spin_loop();
        }
        let started = Instant::now();
        work();
        started.elapsed()
    };
    std::thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = (0..count)
            .map(|number| scope.spawn(move || run(number)))
            .collect();
        let took = threads
            .into_iter()
            .map(|thread| thread.join().expect("the work does not panic"));
        took.max().expect("there is a thread")
    })
}
