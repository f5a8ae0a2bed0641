//! The sends over the threads of a pool.

use super::walk::collect;
use crate::event::Event;
use crate::responses::{Responses, RobustResponses};
use crate::signal::Signal;
use crate::signal_from::SignalFrom;

/// # Sending in parallel
impl<E: Event, R: Send + 'static> Signal<E, R> {
    /// Calls the receivers that are connected for any sender on the threads of a rayon pool,
    /// several at the same time, and returns their responses in the order of
    /// [`send`](Signal::send).
    ///
    /// The pool is the one that the caller is in, by `ThreadPool::install`, or else rayon's global
    /// pool. The send returns when the last receiver has returned. Each thread that is free takes a
    /// receiver that has not started, so receivers start in no fixed order. A receiver on another
    /// thread does not find the thread-locals of the caller. The event is borrowed and not cloned.
    ///
    /// - Before the first call, the send takes the snapshot, pins the weak receivers and claims the
    ///   limited receivers, one run of each.
    /// - The queues of queued receivers get the event before the other receivers run. Async
    ///   receivers run after them, together. Both happen on this thread, in the order of the
    ///   receivers.
    /// - If fewer than two receivers are left to be called, or if the pool has one thread, they are
    ///   called on this thread, as by `send`.
    ///
    /// The send costs as much as `par_iter`. From a thread outside of the pool, the first receiver
    /// starts after about 12 µs and the second after 19 µs, if threads have to wake. From a thread
    /// of the pool, the first starts at once and the second after 2 µs. So from outside, two
    /// receivers gain if each takes more than 20 µs, and eight if each takes more than 5 µs. From
    /// inside, these times are 2 µs and less than 1 µs. The send cannot predict how long receivers
    /// take, and uses the pool for quick ones, too. It makes no allocations of its own if `R` has
    /// no content and if it reaches no more than 64 receivers, of which at most 16 are weak.
    ///
    /// # Waiting
    ///
    /// A thread of the pool that waits, here or in any other function of rayon, takes other work of
    /// the pool meanwhile. So any receiver can run on any thread of the pool that waits, in the
    /// middle of the work of that thread. This includes the thread of this call. **Do not hold a
    /// lock across this call** if a receiver or other work of the pool takes that lock: the thread
    /// would wait for itself.
    ///
    /// For the same reason [`disconnect_and_wait`](crate::Connection::disconnect_and_wait) may
    /// return [`InsideSend`](crate::error::WaitError::InsideSend) in any work of the pool. In a
    /// receiver it returns this error for all receivers of this signal, on whatever thread.
    ///
    /// A caller outside of the pool sleeps. It also waits if the pool is busy.
    ///
    /// # Panics
    ///
    /// Panics with the panic of the first receiver that panics, in the order of `send`, even if
    /// another receiver panicked earlier. All receivers before it have run. A receiver after it may
    /// have run or not, except that limited receivers always run. When the panic leaves this
    /// call, no receiver is running, and the panics of the other receivers have been reported as by
    /// [`send_robust`](Signal::send_robust).
    ///
    /// Also panics as `send` does, if sends are nested too deep, or if there are async receivers
    /// and an executor runs on this thread. In these cases no receiver has run. Also panics in a
    /// child of `fork` if a parallel send had used the pool before the fork, because the threads of
    /// the pool do not exist there.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static RENDER: Signal<&'static str, usize> = Signal::new();
    /// for size in [64, 256, 1_024] {
    ///     RENDER.connect(move |_sender, picture| picture.len() * size);
    /// }
    ///
    /// let picture = String::from("sunset");
    /// assert_eq!(*RENDER.send_parallel(&&*picture), [384, 1_536, 6_144]);
    ///
    /// let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    /// let responses = pool.install(|| RENDER.send_parallel(&&*picture));
    /// assert_eq!(*responses, [384, 1_536, 6_144]);
    /// ```
    pub fn send_parallel(&self, event: &E::Args<'_>) -> Responses<R>
    where
        for<'x> E::Args<'x>: Sync,
    {
        SignalFrom::from(self).send_parallel(event)
    }

    /// Sends like [`send_parallel`](Signal::send_parallel), but catches the panic of a receiver,
    /// which becomes the outcome of that receiver. All other receivers run.
    ///
    /// Each panic is also reported once, as in [`send_robust`](Signal::send_robust), when the last
    /// receiver that runs on the pool has returned.
    ///
    /// # Panics
    ///
    /// Panics if sends are nested too deep, or if there are async receivers and an executor runs on
    /// this thread. In these cases no receiver has run.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static DIVIDE: Signal<u32, u32> = Signal::new();
    /// DIVIDE.connect(|_sender, by| 100 / by);
    /// DIVIDE.connect(|_sender, by| 7 * by);
    ///
    /// # std::panic::set_hook(Box::new(|_| ()));
    /// let outcomes = DIVIDE.send_parallel_robust(&0);
    /// assert_eq!(outcomes.panics().count(), 1);
    /// assert_eq!(**outcomes.responses(), [0]);
    /// ```
    pub fn send_parallel_robust(&self, event: &E::Args<'_>) -> RobustResponses<R>
    where
        for<'x> E::Args<'x>: Sync,
    {
        SignalFrom::from(self).send_parallel_robust(event)
    }
}

/// # Sending in parallel
impl<E: Event, R: Send + 'static> SignalFrom<'_, '_, E, R> {
    /// Sends `event` from this sender on the threads of a rayon pool. See
    /// [`Signal::send_parallel`].
    pub fn send_parallel(self, event: &E::Args<'_>) -> Responses<R>
    where
        for<'x> E::Args<'x>: Sync,
    {
        let Some(hub) = self.signal.occupied() else {
            return Responses::new();
        };
        let outcomes = collect::<E, R, false>(hub, &self.sender, event);
        let Ok(responses) = outcomes.into_result() else {
            unreachable!("the panic would have traveled");
        };
        responses
    }

    /// Sends `event` from this sender on the threads of a rayon pool and catches panics. See
    /// [`Signal::send_parallel_robust`].
    pub fn send_parallel_robust(self, event: &E::Args<'_>) -> RobustResponses<R>
    where
        for<'x> E::Args<'x>: Sync,
    {
        let Some(hub) = self.signal.occupied() else {
            return RobustResponses::new();
        };
        collect::<E, R, true>(hub, &self.sender, event)
    }
}
