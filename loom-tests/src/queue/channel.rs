//! The channel of `src/queue/sync.rs`, over the locks of whichever world includes this. What
//! crossbeam does inside is taken on trust: here one step puts in or takes out.

use std::collections::VecDeque;

use super::{Condvar, Mutex, lock, wait};

#[derive(Clone, Copy)]
pub(crate) enum Waiter {
    Worker,
    Drain,
}

pub(crate) struct Channel<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    capacity: usize,
    closed: bool,
    woken: [bool; 2],
}

impl<T> Channel<T> {
    pub(crate) fn new(capacity: Option<usize>) -> Self {
        Channel {
            state: Mutex::new(State {
                items: VecDeque::new(),
                capacity: capacity.unwrap_or(usize::MAX),
                closed: false,
                woken: [false; 2],
            }),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.state).items.len()
    }

    pub(crate) fn try_send(&self, item: T) -> Result<(), T> {
        let mut state = lock(&self.state);
        if state.items.len() == state.capacity {
            return Err(item);
        }
        state.items.push_back(item);
        self.changed.notify_all();
        Ok(())
    }

    pub(crate) fn send(&self, item: T) -> Result<(), T> {
        let mut state = lock(&self.state);
        loop {
            // Whether a closed channel with room takes the item is not promised.
            if state.closed {
                return Err(item);
            }
            if state.items.len() < state.capacity {
                state.items.push_back(item);
                self.changed.notify_all();
                return Ok(());
            }
            state = wait(&self.changed, state, None);
        }
    }

    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_all();
    }

    pub(crate) fn try_recv(&self) -> Option<T> {
        let item = lock(&self.state).items.pop_front();
        self.changed.notify_all();
        item
    }

    pub(crate) fn recv(&self, waiter: Waiter) -> Option<T> {
        let mut state = lock(&self.state);
        loop {
            if let Some(item) = state.items.pop_front() {
                self.changed.notify_all();
                return Some(item);
            }
            if state.woken[waiter as usize] {
                state.woken[waiter as usize] = false;
                return None;
            }
            state = wait(&self.changed, state, None);
        }
    }

    pub(crate) fn wake(&self, waiter: Waiter) {
        lock(&self.state).woken[waiter as usize] = true;
        self.changed.notify_all();
    }
}
