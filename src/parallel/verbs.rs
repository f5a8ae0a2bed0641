//! The sends over the threads of a pool.

use super::walk::collect;
use crate::event::Event;
use crate::responses::{Responses, RobustResponses};
use crate::signal::Signal;
use crate::signal_from::SignalFrom;

/// # Sending in parallel
impl<E: Event, R: Send + 'static> Signal<E, R> {
    /// Calls the receivers that are connected for any sender on the threads of a rayon pool, several
    /// at the same time, and returns their responses in the order of [`send`](Signal::send).
    ///
    /// The pool is the one that the caller is in, by `ThreadPool::install`, or else rayon's
    /// own. Returns when the last receiver has. Each thread that is free takes a receiver
    /// that has not started, so receivers start in no order; what they would find in
    /// thread-locals of the caller is not there. The event is borrowed: nothing is cloned.
    ///
    /// - The snapshot is taken, weak receivers are pinned and once-only ones claimed before
    ///   the first call.
    /// - Queued receivers' queues are handed the event before the others run, async
    ///   receivers run after them, together; both on this thread, in their order.
    /// - If fewer than two receivers are left to be called, or the pool has one thread, they
    ///   are called here, as by `send`.
    ///
    /// Costs what `par_iter` costs. From a thread outside of the pool the first receiver
    /// starts after about 12 µs and the second after 19, where threads have to wake; inside
    /// of it, at once and after 2 µs. So two receivers gain where each takes more than
    /// 20 µs, eight where each takes more than 5; inside, 2 and less than 1. It does not know
    /// how long they take, and goes to the pool with quick ones, too. Allocates nothing
    /// of its own if `R` has no content and no more than 64 receivers, 16 of them weak, are
    /// reached.
    ///
    /// # Waiting
    ///
    /// A thread of the pool that waits, here or in anything of rayon's, takes other work of
    /// the pool meanwhile. So any receiver can run on any thread of the pool that waits, in
    /// the midst of what that was doing, this call's own thread included. **Do not hold a
    /// lock across this call** that a receiver or other work of the pool takes: the thread
    /// would wait for itself.
    ///
    /// For the same reason [`disconnect_and_wait`](crate::Connection::disconnect_and_wait)
    /// may return [`InsideSend`](crate::error::WaitError::InsideSend) in any work of the pool. In a
    /// receiver it does, for receivers of this signal, on whatever thread.
    ///
    /// A caller outside of the pool sleeps, and waits also for a pool that is busy.
    ///
    /// # Panics
    ///
    /// With the panic of the first receiver that does, in the order of `send`, whichever
    /// panicked first. All receivers before it have run; one after it may have run or not,
    /// unless it is once-only: those run. When the panic travels none is running, and the
    /// panics of others have been reported as by [`send_robust`](Signal::send_robust).
    ///
    /// Also as `send` does, if sends are nested too deep or there are async receivers and an
    /// executor runs on this thread; then nothing has run. And in a child of `fork`, if a parallel
    /// send had used the pool before the fork: its threads do not exist there.
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
    /// let answers = pool.install(|| RENDER.send_parallel(&&*picture));
    /// assert_eq!(*answers, [384, 1_536, 6_144]);
    /// ```
    pub fn send_parallel(&self, event: &E::Args<'_>) -> Responses<R>
    where
        for<'x> E::Args<'x>: Sync,
    {
        SignalFrom::from(self).send_parallel(event)
    }

    /// As [`send_parallel`](Signal::send_parallel), but a panic of a receiver is caught and
    /// becomes its outcome; all others run.
    ///
    /// Each panic is also reported once, as in [`send_robust`](Signal::send_robust), when
    /// the last receiver that runs on the pool has returned.
    ///
    /// # Panics
    ///
    /// If sends are nested too deep, or there are async receivers and an executor runs on
    /// this thread; then nothing has run.
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
            unreachable!("the panic would have travelled");
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
