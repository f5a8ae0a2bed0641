//! What decides about concurrency in a queue: who may still put something into a line, who
//! takes it out, and when everything has been dealt with.
//!
//! Who pushes takes a ticket first, and each ticket is *settled* once: its item was
//! delivered, dropped, handed back or taken out as undelivered. The one addition that takes
//! the ticket also tells whether the line was closed before; so a close knows how many
//! tickets there are, and that nothing else will ever be put in. A flush starts a round:
//! tickets carry the round's bit, and the flush is over when every ticket with the other bit
//! is settled, in whatever order that came about.
//!
//! Nothing here runs user code: items are handed to the caller, who holds no lock then.
//!
//! This file is compiled twice more, over loom and over shuttle, by `loom-tests/`: it may
//! name only `std`'s plain types and its sibling `sync`.

use std::mem;
use std::time::Instant;

use super::sync::{AtomicU64, CachePadded, Channel, Condvar, Mutex, Ordering, Waiter, lock, wait};

/// What a push does when its line is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// The sender waits for room: the default, since it alone loses nothing and fails
    /// nothing. In an async send that blocks the executor's thread. On a worker of the same
    /// queue, where that might be a wait for itself, the push is refused with
    /// [`Error::WouldDeadlock`](crate::queue::Error::WouldDeadlock).
    #[default]
    Block,
    /// What is being pushed is dropped, and counted.
    DropNewest,
    /// What has been in the line longest is dropped, and counted.
    DropOldest,
    /// The push is refused with [`Error::Full`](crate::queue::Error::Full).
    Reject,
}

/// In `tickets`: nothing is accepted any more.
const CLOSED: u64 = 1;
/// In `tickets`, and so in each ticket: the round's bit.
const ROUND: u64 = 2;
/// In `tickets`: one ticket.
const TICKET: u64 = 4;

/// In a count of settled tickets: somebody waits, so who settles must tell.
const WATCHED: u64 = 1;
/// In the workers' count: they must start nothing any more.
const GIVEN_UP: u64 = 2;
/// In the workers' count: one item of this round that runs, and is not settled yet.
const RUNNING: u64 = 4;
/// In a count of settled tickets: one. What is below it has room for [`RUN_AT_ONCE`].
const ONE: u64 = 1 << 12;

/// How many items of a line may run at a time.
pub(crate) const RUN_AT_ONCE: usize = 1_000;

/// One worker's items, or those of several, in the order in which they came.
pub(crate) struct Line<T> {
    /// Whether several workers take items out.
    is_shared: bool,
    channel: Channel<Parcel<T>>,
    /// How many tickets were taken; the flags of the line. Padded: senders write it for each
    /// item, and the worker what comes next.
    tickets: CachePadded<AtomicU64>,
    /// What the workers have delivered, and what they run, by the round's bit. Only they count here.
    delivered: CachePadded<[AtomicU64; 2]>,
    /// What was settled otherwise, by the round's bit.
    aside: [AtomicU64; 2],
    dropped: AtomicU64,
    rejected: AtomicU64,
    undelivered: AtomicU64,
    /// Only the workers count here.
    panicked: AtomicU64,
    books: Mutex<Books<T>>,
    /// Something that is waited for may have come about.
    changed: Condvar,
    /// Held by who takes out what is left: one at a time.
    drain: Mutex<()>,
}

/// An item and its ticket.
struct Parcel<T> {
    ticket: u64,
    item: T,
}

/// What is known only under the lock.
struct Books<T> {
    /// How many rounds have been started after the first. Its last bit is that of `tickets`.
    round: u64,
    /// Tickets of all rounds but the one under way; of all when the line is closed.
    counted: u64,
    /// The same by the round's bit.
    accepted: [u64; 2],
    closed: bool,
    /// Who waits in `flush`.
    waiting: usize,
    left_over: Vec<Parcel<T>>,
}

/// What became of a push.
#[must_use]
pub(crate) enum Pushed<T> {
    Accepted,
    /// Accepted, in the place of what is handed back.
    Displaced {
        oldest: T,
        /// Where other producers were faster, more than one had to go.
        more: Vec<T>,
    },
    /// Not accepted, as the overflow policy says.
    Dropped(T),
    Refused(Refusal, T),
}

/// Why a push was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Closed,
    /// It is full, and the caller may not wait.
    WouldWait,
}

/// An item that a worker runs.
#[must_use = "a flush waits until it is finished"]
pub(crate) struct Started {
    ticket: u64,
}

/// What a line held when it was given up.
pub(crate) struct LeftOver<T> {
    /// In the order in which they came.
    pub(crate) items: Vec<T>,
    /// How many the workers still run.
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

/// Tickets that are not settled, and how many of those the workers run.
struct Open {
    unsettled: u64,
    running: u64,
}

fn bit(ticket: u64) -> usize {
    usize::from(ticket & ROUND != 0)
}

/// How many items run, by a word of the workers' count.
fn runs(word: u64) -> u64 {
    word % ONE / RUNNING
}

fn has_passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

impl<T> Line<T> {
    /// With room for so many items, or for any number, which so many workers take out.
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

    /// Puts an item in. Waits for room if that is the policy and `may_wait` says so, which is
    /// asked only then.
    #[inline]
    pub(crate) fn push(
        &self,
        item: T,
        overflow: Overflow,
        may_wait: impl FnOnce() -> bool,
    ) -> Pushed<T> {
        // Relaxed: the order of this counter's changes alone decides which tickets were
        // taken before a close or a new round; the channel carries the item. Row Q1.
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

    /// What goes is handed back and not dropped here: its destructor may flush, which would
    /// wait for the ticket that is not settled yet.
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

    /// The ticket came after the close: nobody counts it or waits for it.
    #[cold]
    fn refuse_late(&self, item: T) -> Pushed<T> {
        // Release: see `counts`. Row Q5.
        self.rejected.fetch_add(1, Ordering::Release);
        Pushed::Refused(Refusal::Closed, item)
    }

    /// The next item for a worker, which waits for it and must `finish` it; `None` once
    /// the line is closed and everything is settled. Of each item in its turn, the workers run at
    /// most [`RUN_AT_ONCE`] at a time.
    #[inline]
    pub(crate) fn next(&self) -> Option<(Started, T)> {
        loop {
            match self.channel.recv(Waiter::Worker) {
                Some(parcel) if self.start(parcel.ticket) => {
                    let ticket = parcel.ticket;
                    return Some((Started { ticket }, parcel.item));
                }
                Some(parcel) => self.leave(parcel),
                // Woken, which `tell_of` does at the end alone.
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

    /// Whether a worker may run the item. In one step with what `give_up` does, so that
    /// each item is either run or left over.
    #[inline]
    fn start(&self, ticket: u64) -> bool {
        let word = &self.delivered[bit(ticket)];
        // Relaxed: what it finds is confirmed by the exchange. Row Q2.
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            if seen & GIVEN_UP != 0 {
                return false;
            }
            // Release: that this item was taken out before `give_up`, which acquires with
            // this, takes out later ones. Relaxed on failure: see above. Row Q2.
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

    /// A worker has run the item.
    #[inline]
    pub(crate) fn finish(&self, started: Started) {
        // Release: what the run did, for who waits until it is over: `open` acquires with
        // this. Row Q3.
        let before =
            self.delivered[bit(started.ticket)].fetch_add(ONE - RUNNING, Ordering::Release);
        if before & WATCHED != 0 {
            self.tell();
        }
    }

    /// The run that is about to be finished panicked.
    pub(crate) fn count_panicked(&self) {
        // Relaxed: a part of what `finish` counts next, with release. Row Q5.
        self.panicked.fetch_add(1, Ordering::Relaxed);
    }

    fn settle_aside(&self, ticket: u64) {
        // Release: as in `finish`. Row Q3.
        let before = self.aside[bit(ticket)].fetch_add(ONE, Ordering::Release);
        if before & WATCHED != 0 {
            self.tell();
        }
    }

    /// Puts an item aside that nobody will deliver.
    fn leave(&self, parcel: Parcel<T>) {
        let ticket = parcel.ticket;
        lock(&self.books).left_over.push(parcel);
        // Release: see `counts`. Row Q5.
        self.undelivered.fetch_add(1, Ordering::Release);
        self.settle_aside(ticket);
    }

    /// Wakes who waits for what may have come about with the last settled ticket.
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

    /// Accepts nothing from now on, and ends the waits for room.
    pub(crate) fn close(&self) {
        let mut books = lock(&self.books);
        if books.closed {
            return;
        }
        // Relaxed: as in `push`. Row Q1.
        let tickets = self.tickets.fetch_or(CLOSED, Ordering::Relaxed);
        books.count(tickets);
        books.closed = true;
        // For good: from here on each settled ticket may be the last.
        self.watch(0);
        self.watch(1);
        // Who flushes now waits for something else.
        self.changed.notify_all();
        self.tell_of(&books);
        drop(books);
        self.channel.close();
    }

    /// Whether nothing is accepted any more.
    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: nothing is read on the strength of it. Row Q1.
        self.tickets.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Waits until a closed line has settled everything; false if `deadline` passed first.
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

    /// Takes everything out of a closed line but what the workers are running, and lets them
    /// start nothing any more.
    pub(crate) fn give_up(&self) -> LeftOver<T> {
        let _alone = lock(&self.drain);
        for word in self.delivered.iter() {
            // Acquire: with the release in `start`, so that what the worker runs is older
            // than what is taken out here. Row Q2.
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
                // A worker may have put one in after a later one.
                left_over.sort_unstable_by_key(|parcel| parcel.ticket);
                return LeftOver {
                    items: left_over.into_iter().map(|parcel| parcel.item).collect(),
                    running: open.running as usize,
                };
            }
            drop(books);
            // Somebody has a ticket from before the close, and is about to put an item in or
            // to be refused.
            if let Some(parcel) = self.channel.recv(Waiter::Drain) {
                self.leave(parcel);
            }
        }
    }

    /// Waits until every push that ended before the call is settled; false if `deadline`
    /// passed first.
    pub(crate) fn flush(&self, deadline: Option<Instant>) -> bool {
        let mut books = lock(&self.books);
        books.waiting += 1;
        // The round under way is that of the pushes in question, and ends when the next
        // starts; but that has to wait for the one before, whose bit it takes.
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

    /// Ends the round under way. The one before must be over.
    fn start_round(&self, books: &mut Books<T>) {
        // Relaxed: as in `push`. Row Q1.
        let tickets = self.tickets.fetch_xor(ROUND, Ordering::Relaxed);
        books.count(tickets);
        books.round += 1;
    }

    /// Whether every ticket of the round before the one under way is settled.
    fn is_last_round_over(&self, books: &Books<T>) -> bool {
        let bit = books.last_bit();
        self.settled(bit) == books.accepted[bit]
    }

    /// How many tickets with this bit are settled.
    fn settled(&self, bit: usize) -> u64 {
        // Acquire, both: with the release in `finish` and in `settle_aside`. Row Q3.
        let delivered = self.delivered[bit].load(Ordering::Acquire) / ONE;
        let aside = self.aside[bit].load(Ordering::Acquire) / ONE;
        delivered + aside
    }

    /// Whether the round under way is an odd one.
    #[cfg(test)]
    pub(crate) fn is_in_odd_round(&self) -> bool {
        // Relaxed: as in `push`. Row Q1.
        self.tickets.load(Ordering::Relaxed) & ROUND != 0
    }

    /// What is open in a closed line.
    fn open(&self, books: &Books<T>) -> Open {
        let mut open = Open {
            unsettled: books.accepted[0] + books.accepted[1],
            running: 0,
        };
        for word in self.delivered.iter().chain(&self.aside) {
            // Acquire: as in `settled`. In the workers' counts what they run and what they have
            // run change in one step, so one is counted once. Row Q3.
            let seen = word.load(Ordering::Acquire);
            open.unsettled -= seen / ONE;
            open.running += runs(seen);
        }
        open
    }

    /// From here on, who settles a ticket with this bit tells. To be called under the lock,
    /// before a look that may end in a wait.
    fn watch(&self, bit: usize) {
        for word in [&self.delivered[bit], &self.aside[bit]] {
            // Relaxed: of this and a ticket's settling, the order of the word's changes lets
            // either that find the mark, or the look after this find it settled. Row Q4.
            word.fetch_or(WATCHED, Ordering::Relaxed);
        }
    }

    fn watch_no_more(&self) {
        for word in self.delivered.iter().chain(&self.aside) {
            // Relaxed: nobody waits, and who will marks again under the same lock. Row Q4.
            word.fetch_and(!WATCHED, Ordering::Relaxed);
        }
    }

    /// Statistics. What went out is never more than what came in.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts {
            pushed: 0,
            delivered: 0,
            panicked: 0,
            // Acquire, all: with the release at each addition, so that the tickets read last
            // include those counted here. Row Q5.
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

    /// The bit of the round before the one under way.
    fn last_bit(&self) -> usize {
        usize::from(self.round % 2 == 0)
    }
}
