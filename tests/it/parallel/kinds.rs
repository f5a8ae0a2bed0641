//! Async and queued receivers of a parallel send.

use super::*;

#[cfg(feature = "async")]
mod with_async {
    use super::*;

    #[test]
    fn async_receivers_run_after_the_others_and_here() {
        struct Ran(AtomicU32);
        impl Event for Ran {
            type Args<'a> = Ran;
        }
        let signal = Signal::<Ran, (u32, ThreadId)>::new();
        let seen = |ran: &Ran| (ran.0.load(Ordering::SeqCst), thread::current().id());
        let options = signal.options().priority(9);
        options.connect_async(move |_, ran| Box::pin(async move { seen(ran) }));
        for n in 0..10 {
            signal.connect(move |_, ran| {
                (
                    ran.0.fetch_add(1, Ordering::SeqCst) * n,
                    thread::current().id(),
                )
            });
        }
        signal.connect_async(move |_, ran| Box::pin(async move { seen(ran) }));
        let ran = Ran(AtomicU32::new(0));
        let responses = signal.send_parallel(&ran);
        let here = thread::current().id();
        assert_eq!(responses.len(), 12);
        assert!(responses[..10].iter().all(|(_, thread)| *thread != here));
        assert_eq!(responses[10..], [(10, here), (10, here)]);
    }

    #[test]
    fn an_async_panic_is_an_outcome_of_a_robust_send() {
        let signal = Numbers::new();
        signal.connect_async(|_, event| Box::pin(async move { 1 / *event }));
        signal.connect_async(|_, event| Box::pin(async move { *event }));
        signal.connect(|_, event| 2 / *event);
        signal.connect(|_, event| *event);
        let outcomes = signal.send_parallel_robust(&0);
        let outcomes: Vec<_> = outcomes
            .iter()
            .map(|outcome| outcome.ok().copied())
            .collect();
        assert_eq!(outcomes, [None, Some(0), None, Some(0)]);
    }

    #[test]
    fn a_panic_on_the_pool_starts_no_async_receiver() {
        let signal = Numbers::new();
        let options = signal.options().once();
        let once = options.connect_async(|_, _| unreachable!("it must not start"));
        signal.connect(|_, event| *event);
        signal.connect(|_, _| panic!("before it"));
        let send = AssertUnwindSafe(|| signal.send_parallel(&0));
        assert_eq!(panic_of(send), "before it");
        assert!(once.is_connected());
    }

    #[test]
    fn on_an_executor_they_are_refused_before_anything_runs() {
        static INNER: Numbers = Numbers::new();
        static OUTER: Numbers = Numbers::new();
        for n in 0..4 {
            INNER
                .options()
                .once()
                .connect(move |_, _| unreachable!("{n} must not run"));
        }
        INNER.connect_async(|_, event| Box::pin(async move { *event }));
        OUTER
            .options()
            .priority(1)
            .connect(|_, _| INNER.send_parallel(&1).len() as u32);
        OUTER.connect(|_, _| INNER.send_parallel_robust(&1).len() as u32);
        for _ in 0..2 {
            let refused = panic_of(|| pollster::block_on(OUTER.asend(&1)));
            assert!(refused.contains("asend"), "{refused}");
            assert_eq!(INNER.receiver_count(), 5);
            OUTER.disconnect_all();
            OUTER.connect(|_, _| INNER.send_parallel_robust(&1).len() as u32);
        }
    }
}

#[cfg(feature = "queue")]
mod with_queue {
    use super::*;
    use fanfare::Queue;

    /// Notes the threads on which it is cloned, and panics there if its flag is set.
    struct Cloned {
        on: Arc<Mutex<Vec<ThreadId>>>,
        panics: bool,
    }

    impl Clone for Cloned {
        fn clone(&self) -> Self {
            assert!(!self.panics, "no clone");
            self.on.lock().unwrap().push(thread::current().id());
            Cloned {
                on: Arc::clone(&self.on),
                panics: false,
            }
        }
    }

    impl Event for Cloned {
        type Args<'a> = Cloned;
    }

    #[test]
    fn queues_are_handed_the_event_first_and_here() {
        let signal = Signal::<Cloned, Option<u64>>::new();
        let queue = Queue::bounded(100).unwrap();
        let delivered = Arc::new(Mutex::new(Vec::new()));
        for n in 0..6 {
            let watched = queue.clone();
            signal.connect(move |_, _| Some(watched.stats().pushed + n - n));
            let delivered = Arc::clone(&delivered);
            let options = signal.options().queued(&queue);
            options.connect(move |_, _| delivered.lock().unwrap().push(n));
        }
        let event = Cloned {
            on: Arc::default(),
            panics: false,
        };
        let responses = signal.send_parallel(&event);
        let expected = [Some(6), None].repeat(6);
        assert_eq!(*responses, *expected, "each in its place");
        assert_eq!(*event.on.lock().unwrap(), [thread::current().id()]);
        queue.flush().unwrap();
        assert_eq!(*delivered.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
        let robust = signal.send_parallel_robust(&event);
        assert_eq!(robust.responses().len(), 12);
    }

    /// The panic counts like that of any receiver: those before it run, and the later ones that are
    /// queued do not.
    #[test]
    fn a_panic_in_handing_over_has_its_receivers_place() {
        let signal = Signal::<Cloned, Option<u32>>::new();
        let queue = Queue::bounded(100).unwrap();
        let ran = Arc::new(AtomicU32::new(0));
        for _ in 0..5 {
            let ran = Arc::clone(&ran);
            signal.connect(move |_, _| Some(ran.fetch_add(1, Ordering::Relaxed)));
        }
        for n in 0..2 {
            let options = signal.options().queued(&queue);
            options.connect(move |_, _| unreachable!("{n} was not cloned"));
        }
        signal.connect(|_, _| panic!("later in order"));
        let event = Cloned {
            on: Arc::default(),
            panics: true,
        };
        let send = AssertUnwindSafe(|| signal.send_parallel(&event));
        assert_eq!(panic_of(send), "no clone");
        assert_eq!(ran.load(Ordering::Relaxed), 5);
        let outcomes = signal.send_parallel_robust(&event);
        let failures = outcomes.panics().map(|failure| failure.message());
        assert!(failures.eq(["no clone", "no clone", "later in order"]));
        assert_eq!(outcomes.responses().len(), 5);
        assert_eq!(queue.stats().pushed, 0);
    }
}
