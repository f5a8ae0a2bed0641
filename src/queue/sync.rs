//! The primitives under `line`.
//!
//! `line.rs` names atomics, locks and channels only through its sibling `sync`, so that the model
//! checkers can compile that same file over theirs.

use std::convert::Infallible;
use std::hint::spin_loop;
use std::sync::PoisonError;
use std::thread::yield_now;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded, select_biased, unbounded};

pub(crate) use crossbeam_utils::CachePadded;

pub(crate) use std::sync::{Condvar, MutexGuard};

pub(crate) use crate::table::sync::{AtomicU64, Mutex, Ordering, lock};

/// Waits for a notification, or until `deadline` if there is one.
pub(crate) fn wait<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> MutexGuard<'a, T> {
    match deadline {
        None => condvar.wait(guard).unwrap_or_else(PoisonError::into_inner),
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            match condvar.wait_timeout(guard, left) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            }
        }
    }
}

/// The thread that waits for a call of [`Channel::wake`].
#[derive(Clone, Copy)]
pub(crate) enum Waiter {
    /// The line's worker.
    Worker,
    /// The thread that takes out the items that are left.
    Drain,
}

/// A first-in, first-out channel whose waits can be ended from outside.
pub(crate) struct Channel<T> {
    sender: Sender<T>,
    receiver: Receiver<T>,
    /// The end of a channel on which no message is ever sent. Its sender is dropped when the
    /// channel is closed.
    closed: Receiver<Infallible>,
    open: Mutex<Option<Sender<Infallible>>>,
    /// The wakes: for each waiter, there is room for one.
    wakes: [(Sender<()>, Receiver<()>); 2],
}

impl<T> Channel<T> {
    /// Makes a channel with room for `capacity` items, or for any number.
    pub(crate) fn new(capacity: Option<usize>) -> Self {
        let (sender, receiver) = match capacity {
            Some(capacity) => bounded(capacity),
            None => unbounded(),
        };
        let (open, closed) = bounded(0);
        Channel {
            sender,
            receiver,
            closed,
            open: Mutex::new(Some(open)),
            wakes: [bounded(1), bounded(1)],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.receiver.len()
    }

    /// Puts the item in if there is room, whether or not the channel is closed.
    #[inline]
    pub(crate) fn try_send(&self, item: T) -> Result<(), T> {
        self.sender.try_send(item).map_err(|full| full.into_inner())
    }

    /// Puts the item in as soon as there is room. Returns an error if the channel is closed before.
    pub(crate) fn send(&self, mut item: T) -> Result<(), T> {
        for turn in 0..TURNS {
            match self.try_send(item) {
                Ok(()) => return Ok(()),
                Err(back) => item = back,
            }
            snooze(turn);
        }
        select_biased! {
            recv(self.closed) -> _ => Err(item),
            send(self.sender, item) -> sent => sent.map_err(|back| back.into_inner()),
        }
    }

    /// Ends the waits of [`send`](Channel::send), now and from now on.
    pub(crate) fn close(&self) {
        let open = lock(&self.open).take();
        drop(open);
    }

    #[inline]
    pub(crate) fn try_recv(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    /// Takes the first item as soon as there is one. Returns `None` if there is no item and the
    /// waiter is woken, or was woken since its last `None`.
    #[inline]
    pub(crate) fn recv(&self, waiter: Waiter) -> Option<T> {
        for turn in 0..TURNS {
            if let Some(item) = self.try_recv() {
                return Some(item);
            }
            snooze(turn);
        }
        self.recv_parked(waiter)
    }

    #[inline(never)]
    fn recv_parked(&self, waiter: Waiter) -> Option<T> {
        let (_, woken) = &self.wakes[waiter as usize];
        select_biased! {
            recv(self.receiver) -> item => item.ok(),
            recv(woken) -> _ => None,
        }
    }

    /// Makes a [`recv`](Channel::recv) of this waiter return: the call under way, or the next one
    /// that finds no item.
    pub(crate) fn wake(&self, waiter: Waiter) {
        // If there is no room, a wake is on its way already.
        let _ = self.wakes[waiter as usize].0.try_send(());
    }
}

/// The number of checks before a wait is worth a sleep. The channel makes the same number by
/// itself.
const TURNS: u32 = 11;

/// Waits for a moment. The wait is longer in later turns.
fn snooze(turn: u32) {
    if turn <= 6 {
        for _ in 0..1 << turn {
            spin_loop();
        }
    } else {
        yield_now();
    }
}
