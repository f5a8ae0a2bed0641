//! The hash of a sender.

use std::hash::{Hash, Hasher};

use crate::sender::{Probe, Sender};

/// The factor of the second multiplication, which is of the golden ratio. With one multiplication,
/// some seeds leave senders that are a fixed step apart close together.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hasher of the senders of one signal. It is seeded, so that an attacker cannot choose senders
/// that collide.
///
/// Keys, identities and types are multiplied twice, first with seeds. The upper bits, which lead
/// through the map, are then spread evenly. That is done before a send takes its snapshot, whose
/// locked instruction lets no load pass but hides the multiplications. Names go through `ahash`.
#[derive(Clone)]
pub(crate) struct SenderHasher {
    seeds: [u64; 2],
    names: ahash::RandomState,
}

impl Default for SenderHasher {
    fn default() -> Self {
        let names = ahash::RandomState::new();
        // The seed is odd, so that a product keeps all bits that its other factor has.
        let seed = |which: u64| names.hash_one(which) | 1;
        SenderHasher {
            seeds: [seed(0), seed(1)],
            names,
        }
    }
}

impl SenderHasher {
    /// Returns the hash, if it takes only a multiplication.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn early(&self, sender: &Sender<'_>) -> Option<u64> {
        self.multiplied(sender.probe()?)
    }

    #[inline]
    pub(crate) fn hash(&self, probe: Probe<'_>) -> u64 {
        match probe {
            Probe::Name(name) => self.names.hash_one(name),
            other => self.multiplied(other).unwrap_or_default(),
        }
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn multiplied(&self, probe: Probe<'_>) -> Option<u64> {
        let [low, high] = match probe {
            Probe::Name(_) => return None,
            Probe::Key(key) => key,
            // The bits are inverted, so that identities and small keys are not equal.
            Probe::Identity(number) => [!number, 0],
            Probe::Type(id) => {
                let mut own = Own(0);
                id.hash(&mut own);
                [own.0, 0]
            }
        };
        let once = fold(low ^ self.seeds[0], high ^ self.seeds[1]);
        Some(fold(once, SPREAD))
    }
}

/// Returns both halves of the product, one over the other.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// A hasher that returns the bits that a `TypeId`, which is a hash itself, passes to it.
struct Own(u64);

impl Hasher for Own {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 ^= bits;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Returns the largest number of `senders` whose hashes have the same upper bits.
    fn most_together(senders: impl Iterator<Item = Sender<'static>>, bits: u32) -> u32 {
        let hasher = SenderHasher::default();
        let mut places = vec![0_u32; 1 << bits];
        for sender in senders {
            let hash = hasher.hash(sender.probe().expect("a sender"));
            places[(hash >> (64 - bits)) as usize] += 1;
        }
        places.into_iter().max().expect("some places")
    }

    #[test]
    fn senders_that_look_alike_are_spread() {
        // `FAN_BRIEF` is set where a million places take minutes, or the test runs a second time.
        let is_brief = std::env::var_os("FAN_BRIEF").is_some();
        let bits = if is_brief { 16 } else { 20 };
        // Each turn has other seeds.
        (0..8).for_each(|_| spread(bits));
    }

    fn spread(bits: u32) {
        type Key = fn(u128) -> u128;
        let keys: [(&str, Key); 8] = [
            ("one after another", |n| n),
            ("even", |n| n * 2),
            ("pages", |n| n << 12),
            ("upper half of the low word", |n| n << 32),
            ("top of the low word", |n| n << 44),
            ("high word", |n| n << 64),
            ("top of the high word", |n| n << 108),
            ("both words", |n| n << 64 | n),
        ];
        // Half a million senders at random among a million places: seven or eight together.
        for (what, key) in keys {
            let senders = (0..1 << (bits - 1)).map(|n| Sender::key(key(n)));
            let most = most_together(senders, bits);
            assert!(most <= 16, "{what}: {most} together");
        }
    }

    #[test]
    fn types_and_identities_have_hashes_of_their_own() {
        let hasher = SenderHasher::default();
        let identity = crate::Identity::new();
        let key = Sender::key(identity.state().number().into());
        let types = [
            Sender::of::<u8>(),
            Sender::of::<u16>(),
            Sender::of::<String>(),
        ];
        let senders = types.iter().chain([&key]).map(|sender| sender.probe());
        let senders = senders.chain([identity.sender().probe()]).flatten();
        let hashes: HashSet<u64> = senders.map(|probe| hasher.hash(probe)).collect();
        assert_eq!(hashes.len(), 5);
    }

    /// Without the upper half of a product, the hashes are equal whatever the seeds are.
    #[test]
    fn the_top_bit_of_a_key_is_in_its_hash() {
        let hasher = SenderHasher::default();
        let hashes = [1, 1 | 1 << 127].map(|key| hasher.early(&Sender::key(key)));
        assert_ne!(hashes[0], hashes[1]);
    }

    #[test]
    fn seeds_differ_from_signal_to_signal() {
        let key = Sender::key(1).probe().expect("a sender");
        let hashes: Vec<_> = (0..8).map(|_| SenderHasher::default().hash(key)).collect();
        assert!(hashes.iter().any(|hash| *hash != hashes[0]));
    }

    #[test]
    fn an_early_hash_equals_the_late_one() {
        let hasher = SenderHasher::default();
        let identity = crate::Identity::new();
        for sender in [Sender::key(7), Sender::of::<u8>(), identity.sender()] {
            let hash = sender.probe().map(|probe| hasher.hash(probe));
            assert_eq!(hasher.early(&sender), hash);
        }
        assert_eq!(hasher.early(&Sender::named("7")), None);
        assert_eq!(hasher.early(&Sender::NONE), None);
    }
}
