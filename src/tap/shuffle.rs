//! The order that a scope of a test gives to receivers of equal priority.

use std::sync::atomic::{AtomicU64, Ordering};

/// The orders of the sends of one scope, which a seed decides.
pub(crate) struct Shuffle {
    pub(crate) seed: u64,
    /// The number of sends that have an order.
    sends: AtomicU64,
}

impl Shuffle {
    pub(crate) fn new(seed: u64) -> Self {
        Shuffle {
            seed,
            sends: AtomicU64::new(0),
        }
    }

    /// Returns the order of the next send.
    pub(crate) fn next(&self) -> ShuffledSend {
        // Relaxed: each number is another one by the modification order of this counter alone.
        // Row W5.
        let send = self.sends.fetch_add(1, Ordering::Relaxed);
        ShuffledSend(mixed(mixed(self.seed) ^ send))
    }
}

/// The order of one send.
#[derive(Clone, Copy)]
pub(crate) struct ShuffledSend(u64);

impl ShuffledSend {
    /// Changes the places of receivers of equal priority, which are side by side.
    pub(crate) fn apply<T>(self, receivers: &mut [T], priority: impl Fn(&T) -> i32) {
        let mut steps = 0;
        let equals = receivers.chunk_by_mut(|one, next| priority(one) == priority(next));
        for equals in equals {
            for last in (1..equals.len()).rev() {
                steps += 1;
                let other = mixed(self.0 ^ steps) % (last as u64 + 1);
                equals.swap(last, other as usize);
            }
        }
    }

    /// Returns the number of polls by which the receiver at `place` is put off.
    #[cfg(feature = "async")]
    pub(crate) fn delay(self, place: usize) -> u8 {
        // The largest number of polls is 7.
        (mixed(!self.0 ^ place as u64) >> 61) as u8
    }
}

/// Returns a number whose bits all depend on all bits of `number` (a step of SplitMix64). It is
/// written out, so that a seed has the same orders on each machine and in each release.
fn mixed(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Shuffle;

    #[test]
    fn a_seed_has_the_same_orders_in_each_release() {
        let shuffle = Shuffle::new(7);
        let next = || {
            let mut receivers = [0, 1, 2, 3, 4];
            shuffle.next().apply(&mut receivers, |_| 0);
            receivers
        };
        assert_eq!(next(), [4, 1, 2, 0, 3]);
        assert_eq!(next(), [4, 0, 2, 3, 1]);
    }

    #[test]
    fn receivers_change_places_with_those_of_equal_priority_alone() {
        let shuffle = Shuffle::new(7);
        let mut seen = HashSet::new();
        for _ in 0..1_000 {
            let mut receivers = [(2, 'a'), (2, 'b'), (1, 'c'), (0, 'd'), (0, 'e'), (0, 'f')];
            shuffle.next().apply(&mut receivers, |receiver| receiver.0);
            assert!(receivers.is_sorted_by_key(|receiver| -receiver.0));
            seen.insert(receivers);
        }
        assert_eq!(seen.len(), 2 * 6);
    }
}
