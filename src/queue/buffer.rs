//! The events on their way to an async consumer.
//!
//! It is a lock, a deque and a waker, and not the `Line` of a queue. A line has workers at its
//! other end: its `next` parks a thread, and its tickets decide what a flush or a shutdown waits
//! for. A stream has no thread, is never flushed, and returns the events that are left by itself.
//!
//! User code does not run under the lock. Events are made before it is taken, and events, wakers
//! and their clones are dropped, cloned and called after it has been released.

use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::Stats;
use super::error::Error;
use super::line::Overflow;
use super::response::Response;
use crate::event::Event;
use crate::fork::Birth;
use crate::kind::ReceiverKind;
use crate::lock::lock;
use crate::panic_report;
use crate::receiver::callee::Callee;
use crate::receiver::delivery::{Observe, Shared};
use crate::receiver::entry::Entry;
use crate::receiver::key::Identified;
use crate::sender::Sender;
use crate::tap::verdict::{NotRun, Verdict};

/// The events that a receiver has put in and the consumer has not taken out.
pub(super) struct Buffer<T> {
    capacity: usize,
    overflow: Overflow,
    /// `true` if the first event is also the last.
    takes_one: bool,
    birth: Birth,
    state: Mutex<State<T>>,
}

struct State<T> {
    events: VecDeque<T>,
    /// `true` if no more events are accepted.
    is_closed: bool,
    /// The waker of a consumer that has found no event.
    waker: Option<Waker>,
    pushed: u64,
    taken: u64,
    dropped: u64,
    rejected: u64,
}

/// The reason for which an event was refused.
#[derive(Clone, Copy)]
enum Refusal {
    Full,
    Forked,
}

impl<T> Buffer<T> {
    /// Makes a buffer for a stream.
    pub(super) fn new(capacity: usize, overflow: Overflow) -> Self {
        Self::made(capacity, overflow, false)
    }

    /// Makes a buffer that closes itself with its first event.
    pub(super) fn for_one() -> Self {
        Self::made(1, Overflow::DropNewest, true)
    }

    fn made(capacity: usize, overflow: Overflow, takes_one: bool) -> Self {
        Buffer {
            capacity,
            overflow,
            takes_one,
            birth: Birth::now(),
            state: Mutex::new(State {
                events: VecDeque::new(),
                is_closed: false,
                waker: None,
                pushed: 0,
                taken: 0,
                dropped: 0,
                rejected: 0,
            }),
        }
    }

    /// Returns the state, or `None` in a child of `fork`. A thread of the parent may have had the
    /// lock there, and the tasks that take events out belong to the parent.
    fn state(&self) -> Option<MutexGuard<'_, State<T>>> {
        (!self.birth.is_before_fork()).then(|| lock(&self.state))
    }

    /// Returns `true` if events are accepted, or an error in a child of `fork`.
    fn is_open(&self) -> Result<bool, Refusal> {
        let state = self.state().ok_or(Refusal::Forked)?;
        Ok(!state.is_closed)
    }

    /// Puts an event in and wakes the consumer. Drops the event if the buffer is closed.
    fn push(&self, event: T) -> Result<(), Refusal> {
        let Some(mut state) = self.state() else {
            discard(event);
            return Err(Refusal::Forked);
        };
        if state.is_closed {
            drop(state);
            discard(event);
            return Ok(());
        }
        let mut oldest = None;
        if state.events.len() >= self.capacity {
            match self.overflow {
                Overflow::DropOldest => {
                    state.dropped += 1;
                    oldest = state.events.pop_front();
                }
                Overflow::DropNewest => {
                    state.pushed += 1;
                    state.dropped += 1;
                    drop(state);
                    discard(event);
                    return Ok(());
                }
                // A stream refuses `Block` when it is made.
                Overflow::Reject | Overflow::Block => {
                    state.rejected += 1;
                    drop(state);
                    discard(event);
                    return Err(Refusal::Full);
                }
            }
        }
        state.pushed += 1;
        state.events.push_back(event);
        state.is_closed = self.takes_one;
        let waker = state.waker.take();
        drop(state);
        if let Some(oldest) = oldest {
            discard(oldest);
        }
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Takes the first event out. Returns `None` if there is none now.
    pub(super) fn try_take(&self) -> Option<T> {
        self.state()?.take()
    }

    /// Takes the first event out. Returns `None` if there is none and no more will come.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // The second turn has a clone of the waker, which is made without the lock.
        let mut clone = None;
        loop {
            let Some(mut state) = self.state() else {
                return Poll::Ready(None);
            };
            if let Some(event) = state.take() {
                return Poll::Ready(Some(event));
            }
            if state.is_closed {
                return Poll::Ready(None);
            }
            let known = state.waker.as_ref();
            if known.is_some_and(|waker| waker.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            if clone.is_some() {
                let replaced = mem::replace(&mut state.waker, clone);
                drop(state);
                drop(replaced);
                return Poll::Pending;
            }
            drop(state);
            clone = Some(cx.waker().clone());
        }
    }

    /// Accepts no more events, and wakes the consumer.
    pub(super) fn close(&self) {
        let Some(mut state) = self.state() else {
            return;
        };
        state.is_closed = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Accepts no more events. Returns those that are inside and the waker, which the caller drops.
    pub(super) fn clear(&self) -> (VecDeque<T>, Option<Waker>) {
        let Some(mut state) = self.state() else {
            return (VecDeque::new(), None);
        };
        state.is_closed = true;
        (mem::take(&mut state.events), state.waker.take())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().is_none_or(|state| state.is_closed)
    }

    /// Returns the verdict on an event that is pushed now. `queue` is the name of the receiver.
    fn intake(&self, queue: String) -> Verdict {
        let Some(state) = self.state() else {
            return NotRun::QueueForked { queue }.into();
        };
        if state.is_closed {
            return NotRun::QueueClosed { queue }.into();
        }
        if state.events.len() < self.capacity {
            return Verdict::WouldRun;
        }
        // A stream never waits for room.
        self.overflow.verdict_if_full(queue, self.capacity, false)
    }

    /// Returns the counters. They are all of one moment.
    pub(super) fn stats(&self) -> Stats {
        let Some(state) = self.state() else {
            return Stats::default();
        };
        Stats {
            pushed: state.pushed,
            delivered: state.taken,
            dropped: state.dropped,
            rejected: state.rejected,
            depth: state.events.len(),
            ..Stats::default()
        }
    }
}

impl<T> State<T> {
    fn take(&mut self) -> Option<T> {
        let event = self.events.pop_front();
        self.taken += u64::from(event.is_some());
        event
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        if self.birth.is_before_fork() {
            // The events and the waker are copies of those of the parent, which drops its own.
            let state = self.state.get_mut();
            let state = state.unwrap_or_else(PoisonError::into_inner);
            mem::forget(mem::take(&mut state.events));
            mem::forget(state.waker.take());
        }
    }
}

/// Drops an event in a send. A panic of its destructor does not concern the sender.
fn discard<T>(event: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(event))) {
        panic_report::event_panicked(payload);
    }
}

/// The receiver that puts the events of a signal into a buffer. Its drop closes the buffer.
pub(super) struct Inlet<F, T> {
    pub(super) buffer: Arc<Buffer<T>>,
    /// Makes the item of an event. Returns `None` for an event that the consumer does not get.
    pub(super) map: F,
    /// The name of a receiver to which its user gave none.
    pub(super) type_name: &'static str,
}

impl<E, R, F, T> Callee<E, R> for Inlet<F, T>
where
    E: Event,
    R: Response + 'static,
    F: Fn(Sender<'_>, &E::Args<'_>) -> Option<T> + Send + Sync + 'static,
    T: Send + 'static,
{
    type Function = F;
    const KIND: ReceiverKind = ReceiverKind::Queued;

    fn call(&self, _sender: &Sender<'_>, _event: &E::Args<'_>) -> R {
        unreachable!("queued receivers are not called by a send")
    }

    fn enqueue(
        &self,
        entry: &Entry<E, R>,
        sender: &Sender<'_>,
        event: &E::Args<'_>,
        shared: &mut Shared,
    ) -> R {
        self.enqueue_as(entry, sender, event, shared, &|receiver| receiver)
            .0
    }

    fn enqueue_as(
        &self,
        entry: &Entry<E, R>,
        sender: &Sender<'_>,
        event: &E::Args<'_>,
        _shared: &mut Shared,
        _observe: &Observe<'_>,
    ) -> (R, bool) {
        let pushed = match self.buffer.is_open() {
            Ok(true) => match (self.map)(*sender, event) {
                Some(item) => self.buffer.push(item),
                None => Ok(()),
            },
            Ok(false) => Ok(()),
            Err(refusal) => Err(refusal),
        };
        let Err(refusal) = pushed else {
            return (R::accepted(), true);
        };
        let queue = Arc::from(entry.name());
        let error = match refusal {
            Refusal::Full => Error::Full {
                queue,
                capacity: self.buffer.capacity,
            },
            Refusal::Forked => Error::Forked { queue },
        };
        (R::refused(error), false)
    }

    fn intake(&self, entry: &Entry<E, R>, _sender: &Sender<'_>) -> Verdict {
        self.buffer.intake(entry.name().into_owned())
    }

    /// Returns `None`: each stream is a receiver of its own.
    fn identity(&self) -> Option<Identified> {
        None
    }

    fn type_name(&self) -> &'static str {
        self.type_name
    }
}

impl<F, T> Drop for Inlet<F, T> {
    fn drop(&mut self) {
        self.buffer.close();
    }
}
