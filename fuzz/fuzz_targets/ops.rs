//! Any bytes as a program: a signal and a plain list must see the same.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

// The very model that `cargo test --test model` runs on programs of its own.
#[path = "../../tests/model/mod.rs"]
mod model;

fuzz_target!(|bytes: &[u8]| {
    let program = model::decode::decode(bytes);
    if std::env::var_os("FANFARE_SHOW").is_some() {
        eprintln!("{program:?}");
    }
    model::check(&program);
});

// Left to itself the fuzzer repeats what reached new code, and comes by few new programs:
// a receiver, its death and its namesake seldom meet. So every second mutation puts noise
// in place of a part of the program, or of its end.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut noise = Noise(u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let start = noise.below(size + 1);
    let end = match noise.below(4) {
        0 => (start + 1 + noise.below(8)).min(max_size),
        1 => start + noise.below(max_size - start + 1),
        _ => return fuzzer_mutate(data, size, max_size),
    };
    data[start..end].fill_with(|| noise.next() as u8);
    size.max(end)
});

/// Cheap random numbers, the same for the same seed.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 24
    }

    /// A number below `bound`, which is not zero.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
