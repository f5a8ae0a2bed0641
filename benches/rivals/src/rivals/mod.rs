//! The rivals of Rust, each used as its documentation says.

pub(crate) mod crates;
pub(crate) mod floor;
pub(crate) mod locks;
pub(crate) mod ours;
pub(crate) mod swaps;

use std::hint::black_box;
use std::sync::Arc;

/// Does the work of every receiver: an addition, hidden from the optimizer.
#[inline(always)]
fn add(c: u64, x: u64) {
    #[cfg(test)]
    tests::CALLS.set(tests::CALLS.get() + 1);
    black_box(c + x);
}

/// A receiver that tables share.
pub(crate) type Shared = Arc<dyn Fn(&u64) + Send + Sync>;

fn shared(c: u64) -> Shared {
    Arc::new(move |x| add(c, *x))
}

fn shares(n: u64) -> Vec<Shared> {
    (0..n).map(shared).collect()
}

/// Looks from the end: the newest is found at once.
fn place(table: &[Shared], held: &Shared) -> usize {
    let found = table.iter().rposition(|other| Arc::ptr_eq(other, held));
    found.expect("disconnected receivers were connected")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use crate::rival::{self, Rival, Visit};

    thread_local! {
        pub(super) static CALLS: Cell<u64> = const { Cell::new(0) };
    }

    fn calls<R: Rival>(rival: &R, local: &mut R::Local) -> u64 {
        CALLS.set(0);
        rival.send(local);
        CALLS.get()
    }

    struct CallsEach;

    impl Visit for CallsEach {
        fn visit<R: Rival>(&mut self) {
            for n in [0, 1, 5, 100] {
                let (rival, _held) = R::with(n);
                assert_eq!(calls(&rival, &mut rival.local(1)), n, "{}", R::NAME);
            }
        }
    }

    #[test]
    fn a_send_calls_each_receiver_once() {
        rival::each(&mut CallsEach);
    }

    struct Follows;

    impl Visit for Follows {
        fn visit<R: Rival>(&mut self) {
            // The subscribers of the channel are drained by their owner, not by the send.
            if !R::CHANGES || R::NAME.starts_with("tokio") {
                return;
            }
            let (rival, mut held) = R::with(5);
            let mut local = rival.local(1);
            let added = rival.connect(9);
            assert_eq!(calls(&rival, &mut local), 6, "{}", R::NAME);
            rival.disconnect(held.remove(2));
            assert_eq!(calls(&rival, &mut local), 5, "{}", R::NAME);
            rival.disconnect(added);
            assert_eq!(calls(&rival, &mut local), 4, "{}", R::NAME);
        }
    }

    #[test]
    fn sends_follow_the_changes() {
        rival::each(&mut Follows);
    }
}
