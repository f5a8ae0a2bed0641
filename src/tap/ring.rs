//! The last steps of one thread, which other threads can read while it goes on.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// The number of steps that a ring has room for.
pub(super) const STEPS: u64 = 8_192;

/// A step.
pub(super) type Words = [u64; 4];

/// A ring of steps, in which a step takes the place of the one that is [`STEPS`] older.
pub(super) struct Ring {
    slots: Box<[[AtomicU64; 4]]>,
    /// The number of steps that have been written.
    written: AtomicU64,
}

impl Ring {
    pub(super) fn new() -> Self {
        Ring {
            slots: (0..STEPS).map(|_| Default::default()).collect(),
            written: AtomicU64::new(0),
        }
    }

    fn slot(&self, step: u64) -> &[AtomicU64; 4] {
        &self.slots[(step % STEPS) as usize]
    }

    /// Returns the number of steps that have been written. Only the thread of the ring calls this.
    #[inline]
    pub(super) fn written(&self) -> u64 {
        // Relaxed: only this thread stores it. Row W6.
        self.written.load(Ordering::Relaxed)
    }

    /// Adds a step. Only the thread of the ring calls this.
    #[inline]
    pub(super) fn push(&self, words: Words) {
        let step = self.written();
        for (word, value) in self.slot(step).iter().zip(words) {
            // Release: a reader that finds the new word finds that the step before it has been
            // written, too. So it does not take the word for one of the old step. Row W6.
            word.store(value, Ordering::Release);
        }
        // Release: a reader that finds the step counted finds its words. Row W6.
        self.written.store(step + 1, Ordering::Release);
    }

    /// Returns the last steps, oldest first.
    pub(super) fn read(&self) -> Vec<Words> {
        // Acquire: the words of the counted steps are at least as new as these steps. Row W6.
        let end = self.written.load(Ordering::Acquire);
        let steps = end.saturating_sub(STEPS)..end;
        let first = steps.start;
        let words = steps.map(|step| {
            // Relaxed: the fence below is an acquire for each of them. Row W6.
            self.slot(step)
                .each_ref()
                .map(|word| word.load(Ordering::Relaxed))
        });
        let mut words: Vec<Words> = words.collect();
        // Acquire: if a word was of a later step, the count below has all steps before that one.
        // Row W6.
        fence(Ordering::Acquire);
        let now = self.written.load(Ordering::Relaxed);
        // The thread may be at the step `now`, in the place of `now - STEPS`.
        let overwritten = (now + 1).saturating_sub(STEPS).saturating_sub(first);
        words.drain(..usize::try_from(overwritten).map_or(words.len(), |it| it.min(words.len())));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_keeps_the_last_steps() {
        let ring = Ring::new();
        assert!(ring.read().is_empty());
        for step in 0..STEPS + 100 {
            ring.push([step; 4]);
        }
        let steps = ring.read();
        assert_eq!(steps.first(), Some(&[101; 4]));
        assert_eq!(steps.last(), Some(&[STEPS + 99; 4]));
        assert_eq!(steps.len() as u64, STEPS - 1);
    }

    #[test]
    fn a_reader_sees_whole_steps_while_the_thread_writes() {
        let ring = Ring::new();
        let last = if cfg!(miri) { 9_000 } else { 2_000_000 };
        std::thread::scope(|scope| {
            scope.spawn(|| (0..last).for_each(|step| ring.push([step; 4])));
            loop {
                let steps = ring.read();
                for (step, next) in steps.iter().zip(&steps[1.min(steps.len())..]) {
                    assert_eq!(step[0] + 1, next[0]);
                }
                assert!(steps.iter().all(|[a, b, c, d]| a == b && b == c && c == d));
                if steps.last() == Some(&[last - 1; 4]) {
                    break;
                }
            }
        });
    }
}
