//! A worker that drives several futures at a time.
//!
//! It has two threads. The first takes events out of the line, as long as there is a place for one
//! more, and runs sync receivers. It puts the futures of async receivers into the inbox of the
//! second thread, which drives them all.

use std::future::poll_fn;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::task::AtomicWaker;

use super::job::Job;
use super::line::Started;
use super::pool::Pool;
use super::sync::wait;
use super::worker;
use crate::awaited::blocking;
use crate::lock::lock;
use crate::receiver::future::BoxFuture;

/// Futures on their way from the first thread to the second.
pub(super) struct Inbox {
    state: Mutex<State>,
    /// The condition that a place is free.
    freed: Condvar,
    /// The waker of the second thread.
    waker: AtomicWaker,
}

struct State {
    arrived: Vec<BoxFuture<'static, ()>>,
    /// The number of places that are free, one for each event.
    free: usize,
    is_closed: bool,
}

/// A guard that closes the inbox when it is dropped. The first thread drops it at its end, also if
/// that thread could not be started.
pub(super) struct Opening(Arc<Inbox>);

impl Drop for Opening {
    fn drop(&mut self) {
        lock(&self.0.state).is_closed = true;
        self.0.waker.wake();
    }
}

impl Inbox {
    pub(super) fn new(places: usize) -> (Arc<Self>, Opening) {
        let inbox = Arc::new(Inbox {
            state: Mutex::new(State {
                arrived: Vec::new(),
                free: places,
                is_closed: false,
            }),
            freed: Condvar::new(),
            waker: AtomicWaker::new(),
        });
        let opening = Opening(Arc::clone(&inbox));
        (inbox, opening)
    }

    fn take_place(&self) {
        let mut state = lock(&self.state);
        while state.free == 0 {
            state = wait(&self.freed, state, None);
        }
        state.free -= 1;
    }

    fn leave_place(&self) {
        lock(&self.state).free += 1;
        self.freed.notify_one();
    }

    fn put(&self, future: BoxFuture<'static, ()>) {
        lock(&self.state).arrived.push(future);
        self.waker.wake();
    }

    /// Takes the futures that have arrived. Returns `true` with them if no more will arrive.
    fn take(&self) -> (Vec<BoxFuture<'static, ()>>, bool) {
        let mut state = lock(&self.state);
        (mem::take(&mut state.arrived), state.is_closed)
    }
}

/// Runs the first thread: it takes all events out of its line, until the line is closed.
pub(super) fn run(pool: &Arc<Pool>, line: usize, inbox: &Arc<Inbox>, _opening: Opening) {
    pool.mark_worker();
    loop {
        // The place comes first, so that an event without a place stays in the line.
        inbox.take_place();
        let Some((started, job)) = pool.lines[line].next() else {
            return;
        };
        if job.receiver.is_async() {
            let its = (Arc::clone(pool), Arc::clone(inbox));
            inbox.put(Box::pin(deliver(its.0, line, its.1, started, job)));
        } else {
            let ended = worker::deliver(pool, &pool.lines[line], started, job);
            inbox.leave_place();
            if ended.is_break() {
                return;
            }
        }
    }
}

/// Delivers one event to an async receiver.
async fn deliver(pool: Arc<Pool>, line: usize, inbox: Arc<Inbox>, started: Started, job: Job) {
    let drive = async { job.receiver.drive(&*job.sent).await };
    let ran = AssertUnwindSafe(drive).catch_unwind().await;
    let _ = worker::end(&pool, &pool.lines[line], started, job, ran.err());
    inbox.leave_place();
}

/// Runs the second thread: it drives all futures that arrive, until the inbox is closed.
pub(super) fn drive(pool: &Arc<Pool>, inbox: &Inbox) {
    pool.mark_worker();
    let mut running = FuturesUnordered::new();
    blocking::drive(poll_fn(|cx| poll(pool, inbox, &mut running, cx)));
    if pool.birth.is_before_fork() {
        // Dropping them would run receivers' destructors here as well as in the parent.
        mem::forget(running);
    }
}

fn poll(
    pool: &Pool,
    inbox: &Inbox,
    running: &mut FuturesUnordered<BoxFuture<'static, ()>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    inbox.waker.register(cx.waker());
    loop {
        let (arrived, is_last) = inbox.take();
        running.extend(arrived);
        let ended = Pin::new(&mut *running).poll_next_unpin(cx);
        // A receiver has forked, and this is the child.
        if pool.birth.is_before_fork() {
            return Poll::Ready(());
        }
        match ended {
            Poll::Ready(Some(())) => {}
            Poll::Ready(None) if is_last => return Poll::Ready(()),
            Poll::Ready(None) | Poll::Pending => return Poll::Pending,
        }
    }
}
