//! The random moments at which the worker is killed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The shortest and the longest time between two kills, in milliseconds. A lease is over after a
/// second, so that some workers are killed before they deliver, and others while they do.
const BETWEEN: std::ops::Range<u64> = 200..2_800;

/// Returns the times of the kills, from the start of the shop to the end of the chaos.
pub(crate) fn kills(seed: u64, chaos: Duration) -> impl Iterator<Item = Duration> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut at = Duration::ZERO;
    let next = move || {
        at += Duration::from_millis(random.random_range(BETWEEN));
        Some(at)
    };
    std::iter::from_fn(next).take_while(move |at| *at < chaos)
}
