//! The decisions about concurrency in a queue: which thread may still put an item into a line,
//! which takes it out, and when every item has been dealt with.
//!
//! A push takes a ticket first, and each ticket is *settled* once: its item was delivered, dropped,
//! handed back or taken out as undelivered. The one addition that takes the ticket also shows
//! whether the line was closed before. So a close finds the number of tickets, and that no other
//! item will ever be put in. A flush starts a round: tickets carry the round's bit, and the flush
//! is over when every ticket with the other bit is settled, in whatever order that happened.
//!
//! User code does not run here. Items are handed to the caller, which holds no lock then.
//!
//! This file is compiled twice more, over loom and over shuttle, by `loom-tests/`: it may
//! name only `std`'s plain types and its sibling `sync`.

use std::mem;
use std::time::Instant;

use super::sync::{AtomicU64, CachePadded, Channel, Condvar, Mutex, Ordering, Waiter, lock, wait};

/// The policy of a push for a line that is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// The sender waits for room. This is the default, because it is the only policy that loses no
    /// event and fails no push.
    ///
    /// In an async send, the wait blocks the executor's thread. On a worker of the same queue,
    /// where that might be a wait for itself, the push is refused with
    /// [`Error::WouldDeadlock`](crate::queue::Error::WouldDeadlock).
    #[default]
    Block,
    /// The new event is dropped, and counted.
    DropNewest,
    /// The event that has been in the line longest is dropped, and counted.
    DropOldest,
    /// The push is refused with [`Error::Full`](crate::queue::Error::Full).
    Reject,
}

/// The mark in `tickets` that no more items are accepted.
const CLOSED: u64 = 1;
/// The round's bit in `tickets`, and so in each ticket.
const ROUND: u64 = 2;
/// One ticket in `tickets`.
const TICKET: u64 = 4;

/// The mark in a count of settled tickets that a thread waits, so that a thread that settles a
/// ticket must notify it.
const WATCHED: u64 = 1;
/// The mark in the workers' count that the workers must not start another item.
const GIVEN_UP: u64 = 2;
/// One item of this round in the workers' count that runs and is not settled yet.
const RUNNING: u64 = 4;
/// One ticket in a count of settled tickets. The bits below it have room for [`RUN_AT_ONCE`].
const ONE: u64 = 1 << 12;

/// The maximum number of items of a line that run at a time.
pub(crate) const RUN_AT_ONCE: usize = 1_000;

/// One worker's items, or those of several, in the order in which they came.
pub(crate) struct Line<T> {
    /// `true` if several workers take items out.
    is_shared: bool,
    channel: Channel<Parcel<T>>,
    /// The number of tickets that were taken, and the flags of the line. It is padded because
    /// senders write it for each item, and the worker writes the field that follows.
    tickets: CachePadded<AtomicU64>,
    /// The items that the workers have delivered, and those that they run, by the round's bit. Only
    /// the workers write it.
    delivered: CachePadded<[AtomicU64; 2]>,
    /// The items that were settled in another way, by the round's bit.
    aside: [AtomicU64; 2],
    dropped: AtomicU64,
    rejected: AtomicU64,
    undelivered: AtomicU64,
    /// The number of panics. Only the workers write it.
    panicked: AtomicU64,
    books: Mutex<Books<T>>,
    /// The condition variable for threads that wait: their condition may have been met.
    changed: Condvar,
    /// The lock of the thread that takes out the items that are left: one at a time.
    drain: Mutex<()>,
}

/// An item and its ticket.
struct Parcel<T> {
    ticket: u64,
    item: T,
}

/// The state under the lock.
struct Books<T> {
    /// The number of rounds that have been started after the first. Its last bit is that of
    /// `tickets`.
    round: u64,
    /// The tickets of all rounds except the one under way. When the line is closed, those of all
    /// rounds.
    counted: u64,
    /// The same tickets by the round's bit.
    accepted: [u64; 2],
    closed: bool,
    /// The number of threads that wait in `flush`.
    waiting: usize,
    left_over: Vec<Parcel<T>>,
}

/// The result of a push.
#[must_use]
pub(crate) enum Pushed<T> {
    Accepted,
    /// The item was accepted, in the place of the items that are handed back.
    Displaced {
        oldest: T,
        /// Further items. There are some if other producers were faster, so that more than one item
        /// had to be removed.
        more: Vec<T>,
    },
    /// The item was not accepted, because of the overflow policy.
    Dropped(T),
    Refused(Refusal, T),
}

/// The reason for which a push was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Closed,
    /// The line is full, and the caller may not wait.
    WouldWait,
}

/// An item that a worker runs.
#[must_use = "a flush waits until it is finished"]
pub(crate) struct Started {
    ticket: u64,
}

/// The items that a line held when it was given up.
pub(crate) struct LeftOver<T> {
    /// The items, in the order in which they came.
    pub(crate) items: Vec<T>,
    /// The number of items that the workers still run.
    pub(crate) running: usize,
}

/// Statistics of a line.
pub(crate) struct Counts {
    pub(crate) pushed: u64,
    pub(crate) delivered: u64,
    pub(crate) panicked: u64,
    pub(crate) dropped: u64,
    pub(crate) rejected: u64,
    pub(crate) undelivered: u64,
    pub(crate) depth: usize,
    pub(crate) running: usize,
}

/// The number of tickets that are not settled, and how many of those the workers run.
struct Open {
    unsettled: u64,
    running: u64,
}

fn bit(ticket: u64) -> usize {
    usize::from(ticket & ROUND != 0)
}

/// Returns the number of items that run, from a word of the workers' count.
fn runs(word: u64) -> u64 {
    word % ONE / RUNNING
}

fn has_passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

impl<T> Line<T> {
    /// Makes a line with room for `capacity` items, or for any number, that `workers` workers take
    /// out.
    pub(crate) fn new(capacity: Option<usize>, workers: usize) -> Self {
        let zero = || AtomicU64::new(0);
        Line {
            is_shared: workers > 1,
            channel: Channel::new(capacity),
            tickets: CachePadded::new(zero()),
            delivered: CachePadded::new([zero(), zero()]),
            aside: [zero(), zero()],
            dropped: zero(),
            rejected: zero(),
            undelivered: zero(),
            panicked: zero(),
            books: Mutex::new(Books {
                round: 0,
                counted: 0,
                accepted: [0, 0],
                closed: false,
                waiting: 0,
                left_over: Vec::new(),
            }),
            changed: Condvar::new(),
            drain: Mutex::new(()),
        }
    }

    /// Puts an item in. Waits for room if that is the policy and `may_wait` returns `true`. It is
    /// called only then.
    #[inline]
    pub(crate) fn push(
        &self,
        item: T,
        overflow: Overflow,
        may_wait: impl FnOnce() -> bool,
    ) -> Pushed<T> {
        // Relaxed: the order of this counter's changes alone decides which tickets were taken
        // before a close or a new round. The channel carries the item. Row Q1.
        let ticket = self.tickets.fetch_add(TICKET, Ordering::Relaxed);
        if ticket & CLOSED != 0 {
            return self.refuse_late(item);
        }
        match self.channel.try_send(Parcel { ticket, item }) {
            Ok(()) => Pushed::Accepted,
            Err(parcel) => self.push_to_full(parcel, overflow, may_wait),
        }
    }

    #[inline(never)]
    fn push_to_full(
        &self,
        parcel: Parcel<T>,
        overflow: Overflow,
        may_wait: impl FnOnce() -> bool,
    ) -> Pushed<T> {
        match overflow {
            Overflow::Block if !may_wait() => self.refuse(parcel, Refusal::WouldWait),
            Overflow::Block => match self.channel.send(parcel) {
                Ok(()) => Pushed::Accepted,
                Err(parcel) => self.refuse(parcel, Refusal::Closed),
            },
            Overflow::DropNewest => {
                self.count_dropped(parcel.ticket);
                Pushed::Dropped(parcel.item)
            }
            Overflow::DropOldest => self.displace(parcel),
            Overflow::Reject => self.refuse(parcel, Refusal::Full),
        }
    }

    /// Makes room for the item by taking out the oldest. The items taken out are handed back and
    /// not dropped here: their destructors may flush, which would wait for the ticket that is not
    /// settled yet.
    fn displace(&self, mut parcel: Parcel<T>) -> Pushed<T> {
        let mut oldest = None;
        let mut more = Vec::new();
        loop {
            if let Some(gone) = self.channel.try_recv() {
                self.count_dropped(gone.ticket);
                match oldest {
                    None => oldest = Some(gone.item),
                    Some(_) => more.push(gone.item),
                }
            }
            match self.channel.try_send(parcel) {
                Ok(()) => break,
                Err(back) => parcel = back,
            }
        }
        match oldest {
            Some(oldest) => Pushed::Displaced { oldest, more },
            // The worker was faster.
            None => Pushed::Accepted,
        }
    }

    fn count_dropped(&self, ticket: u64) {
        // Release: see `counts`. Row Q5.
        self.dropped.fetch_add(1, Ordering::Release);
        self.settle_aside(ticket);
    }

    fn refuse(&self, parcel: Parcel<T>, why: Refusal) -> Pushed<T> {
        // Release: see `counts`. Row Q5.
        self.rejected.fetch_add(1, Ordering::Release);
        self.settle_aside(parcel.ticket);
        Pushed::Refused(why, parcel.item)
    }

    /// Refuses an item whose ticket came after the close. Such a ticket is not counted or waited
    /// for.
    #[cold]
    fn refuse_late(&self, item: T) -> Pushed<T> {
        // Release: see `counts`. Row Q5.
        self.rejected.fetch_add(1, Ordering::Release);
        Pushed::Refused(Refusal::Closed, item)
    }

    /// Waits for the next item for a worker and returns it. The worker must `finish` it. Returns
    /// `None` once the line is closed and every ticket is settled. The workers take the items in
    /// turn, and run at most [`RUN_AT_ONCE`] at a time.
    #[inline]
    pub(crate) fn next(&self) -> Option<(Started, T)> {
        loop {
            match self.channel.recv(Waiter::Worker) {
                Some(parcel) if self.start(parcel.ticket) => {
                    let ticket = parcel.ticket;
                    return Some((Started { ticket }, parcel.item));
                }
                Some(parcel) => self.leave(parcel),
                // The wait was ended by a wake, which `tell_of` does only at the end.
                None => {
                    if self.is_shared {
                        // One wake ends the wait of one worker, and the others wait as well.
                        self.channel.wake(Waiter::Worker);
                    }
                    return None;
                }
            }
        }
    }

    /// Returns `true` if a worker may run the item. It decides in one step with `give_up`, so that
    /// each item is either run or left over.
    #[inline]
    fn start(&self, ticket: u64) -> bool {
        let word = &self.delivered[bit(ticket)];
        // Relaxed: the exchange confirms the value that it finds. Row Q2.
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            if seen & GIVEN_UP != 0 {
                return false;
            }
            // Release: that this item was taken out before `give_up`, which acquires with this,
            // takes out later ones. Relaxed on failure: see above. Row Q2.
            match word.compare_exchange_weak(
                seen,
                seen + RUNNING,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
    }

    /// Settles an item that a worker has run.
    #[inline]
    pub(crate) fn finish(&self, started: Started) {
        // Release: the effects of the run, for the thread that waits until it is over. `open`
        // acquires with this. Row Q3.
        let before =
            self.delivered[bit(started.ticket)].fetch_add(ONE - RUNNING, Ordering::Release);
        if before & WATCHED != 0 {
            self.tell();
        }
    }

    /// Counts the panic of a run that is about to be finished.
    pub(crate) fn count_panicked(&self) {
        // Relaxed: it is a part of the count that `finish` makes next, with release. Row Q5.
        self.panicked.fetch_add(1, Ordering::Relaxed);
    }

    fn settle_aside(&self, ticket: u64) {
        // Release: as in `finish`. Row Q3.
        let before = self.aside[bit(ticket)].fetch_add(ONE, Ordering::Release);
        if before & WATCHED != 0 {
            self.tell();
        }
    }

    /// Puts an item aside that will not be delivered.
    fn leave(&self, parcel: Parcel<T>) {
        let ticket = parcel.ticket;
        lock(&self.books).left_over.push(parcel);
        // Release: see `counts`. Row Q5.
        self.undelivered.fetch_add(1, Ordering::Release);
        self.settle_aside(ticket);
    }

    /// Wakes the threads that wait for a condition that the last settled ticket may have met.
    #[cold]
    fn tell(&self) {
        self.tell_of(&lock(&self.books));
    }

    fn tell_of(&self, books: &Books<T>) {
        if !books.closed {
            if self.is_last_round_over(books) {
                self.changed.notify_all();
            }
            return;
        }
        let open = self.open(books);
        if open.unsettled == open.running {
            self.changed.notify_all();
            self.channel.wake(Waiter::Drain);
        }
        if open.unsettled == 0 {
            self.channel.wake(Waiter::Worker);
        }
    }

    /// Refuses items from now on, and ends the waits for room.
    pub(crate) fn close(&self) {
        let mut books = lock(&self.books);
        if books.closed {
            return;
        }
        // Relaxed: as in `push`. Row Q1.
        let tickets = self.tickets.fetch_or(CLOSED, Ordering::Relaxed);
        books.count(tickets);
        books.closed = true;
        // The mark stays: from here on each settled ticket may be the last.
        self.watch(0);
        self.watch(1);
        // A thread that flushes now waits for another condition.
        self.changed.notify_all();
        self.tell_of(&books);
        drop(books);
        self.channel.close();
    }

    /// Returns `true` if no more items are accepted.
    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: no other memory is read because of it. Row Q1.
        self.tickets.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Waits until a closed line has settled every ticket. Returns `false` if `deadline` passed
    /// first.
    pub(crate) fn wait_settled(&self, deadline: Option<Instant>) -> bool {
        let mut books = lock(&self.books);
        loop {
            if self.open(&books).unsettled == 0 {
                return true;
            }
            if has_passed(deadline) {
                return false;
            }
            books = wait(&self.changed, books, deadline);
        }
    }

    /// Takes every item out of a closed line except those that the workers are running, and stops
    /// the workers from starting another.
    pub(crate) fn give_up(&self) -> LeftOver<T> {
        let _alone = lock(&self.drain);
        for word in self.delivered.iter() {
            // Acquire: with the release in `start`, so that the items that the workers run are
            // older than those that are taken out here. Row Q2.
            word.fetch_or(GIVEN_UP, Ordering::Acquire);
        }
        loop {
            while let Some(parcel) = self.channel.try_recv() {
                self.leave(parcel);
            }
            let mut books = lock(&self.books);
            let open = self.open(&books);
            if open.unsettled == open.running {
                let mut left_over = mem::take(&mut books.left_over);
                drop(books);
                // A worker may have put an item in after a later one.
                left_over.sort_unstable_by_key(|parcel| parcel.ticket);
                return LeftOver {
                    items: left_over.into_iter().map(|parcel| parcel.item).collect(),
                    running: open.running as usize,
                };
            }
            drop(books);
            // A thread has a ticket from before the close, and is about to put an item in or to be
            // refused.
            if let Some(parcel) = self.channel.recv(Waiter::Drain) {
                self.leave(parcel);
            }
        }
    }

    /// Waits until every push that ended before the call is settled. Returns `false` if `deadline`
    /// passed first.
    pub(crate) fn flush(&self, deadline: Option<Instant>) -> bool {
        let mut books = lock(&self.books);
        books.waiting += 1;
        // The round under way is that of the pushes in question, and ends when the next starts. The
        // next has to wait for the one before, because it takes that one's bit.
        let next = books.round + 1;
        let over = loop {
            if books.closed {
                self.watch(0);
                self.watch(1);
                if self.open(&books).unsettled == 0 {
                    break true;
                }
            } else if books.round > next {
                break true;
            } else {
                self.watch(books.last_bit());
                if self.is_last_round_over(&books) {
                    if books.round == next {
                        break true;
                    }
                    self.start_round(&mut books);
                    continue;
                }
            }
            if has_passed(deadline) {
                break false;
            }
            books = wait(&self.changed, books, deadline);
        };
        books.waiting -= 1;
        if books.waiting == 0 && !books.closed {
            self.watch_no_more();
        }
        over
    }

    /// Ends the round under way. The round before must be over.
    fn start_round(&self, books: &mut Books<T>) {
        // Relaxed: as in `push`. Row Q1.
        let tickets = self.tickets.fetch_xor(ROUND, Ordering::Relaxed);
        books.count(tickets);
        books.round += 1;
    }

    /// Returns `true` if every ticket of the round before the one under way is settled.
    fn is_last_round_over(&self, books: &Books<T>) -> bool {
        let bit = books.last_bit();
        self.settled(bit) == books.accepted[bit]
    }

    /// Returns the number of tickets with this bit that are settled.
    fn settled(&self, bit: usize) -> u64 {
        // Acquire, both: with the release in `finish` and in `settle_aside`. Row Q3.
        let delivered = self.delivered[bit].load(Ordering::Acquire) / ONE;
        let aside = self.aside[bit].load(Ordering::Acquire) / ONE;
        delivered + aside
    }

    /// Returns `true` if the round under way is an odd one.
    #[cfg(test)]
    pub(crate) fn is_in_odd_round(&self) -> bool {
        // Relaxed: as in `push`. Row Q1.
        self.tickets.load(Ordering::Relaxed) & ROUND != 0
    }

    /// Returns the tickets of a closed line that are not settled.
    fn open(&self, books: &Books<T>) -> Open {
        let mut open = Open {
            unsettled: books.accepted[0] + books.accepted[1],
            running: 0,
        };
        for word in self.delivered.iter().chain(&self.aside) {
            // Acquire: as in `settled`. In the workers' counts, the items that they run and those
            // that they have run change in one step, so each item is counted once. Row Q3.
            let seen = word.load(Ordering::Acquire);
            open.unsettled -= seen / ONE;
            open.running += runs(seen);
        }
        open
    }

    /// Makes a thread that settles a ticket with this bit notify the waiting threads from here on.
    /// It must be called under the lock, before a check that may end in a wait.
    fn watch(&self, bit: usize) {
        for word in [&self.delivered[bit], &self.aside[bit]] {
            // Relaxed: the order of the word's changes decides between this and the settling of a
            // ticket. Either the settling finds the mark, or the check after this finds the ticket
            // settled. Row Q4.
            word.fetch_or(WATCHED, Ordering::Relaxed);
        }
    }

    fn watch_no_more(&self) {
        for word in self.delivered.iter().chain(&self.aside) {
            // Relaxed: no thread waits, and a thread that will wait marks again under the same
            // lock. Row Q4.
            word.fetch_and(!WATCHED, Ordering::Relaxed);
        }
    }

    /// Returns the statistics. The items that went out are never more than those that came in.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts {
            pushed: 0,
            delivered: 0,
            panicked: 0,
            // Acquire, all: with the release at each addition, so that the tickets, which are read
            // last, include those counted here. Row Q5.
            dropped: self.dropped.load(Ordering::Acquire),
            rejected: 0,
            undelivered: self.undelivered.load(Ordering::Acquire),
            depth: 0,
            running: 0,
        };
        for word in self.delivered.iter() {
            // Acquire: as above. Row Q3.
            let seen = word.load(Ordering::Acquire);
            counts.delivered += seen / ONE;
            counts.running += runs(seen) as usize;
        }
        // The run may not be finished yet. Relaxed: as in `count_panicked`. Row Q5.
        counts.panicked = counts.delivered.min(self.panicked.load(Ordering::Relaxed));
        counts.depth = self.channel.len();
        counts.rejected = self.rejected.load(Ordering::Acquire);
        // Relaxed: see above. Row Q1.
        let tickets = self.tickets.load(Ordering::Relaxed) / TICKET;
        counts.pushed = tickets - counts.rejected;
        counts
    }
}

impl<T> Books<T> {
    /// Books the tickets of the round that has ended, or of the last one.
    fn count(&mut self, tickets: u64) {
        let all = tickets / TICKET;
        self.accepted[bit(tickets)] += all - self.counted;
        self.counted = all;
    }

    /// Returns the bit of the round before the one under way.
    fn last_bit(&self) -> usize {
        usize::from(self.round % 2 == 0)
    }
}
