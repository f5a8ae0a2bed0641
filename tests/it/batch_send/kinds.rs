//! Async and queued receivers of a batch.

use super::*;

#[cfg(feature = "async")]
mod with_async {
    use super::*;
    use std::task::Poll;

    fn note_later(
        log: &Log,
        name: &'static str,
    ) -> impl for<'a> Fn(Sender<'a>, &'a u32) -> fanfare::BoxFuture<'a, u32> + Send + Sync + 'static
    {
        let log = Arc::clone(log);
        move |_, event| {
            let log = Arc::clone(&log);
            Box::pin(async move {
                log.lock().unwrap().push(format!("{name} starts {event}"));
                yield_once().await;
                log.lock().unwrap().push(format!("{name} ends {event}"));
                *event
            })
        }
    }

    async fn yield_once() {
        let mut yielded = false;
        std::future::poll_fn(|cx| {
            if yielded {
                return Poll::Ready(());
            }
            yielded = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    #[test]
    fn async_receivers_run_last_and_together_for_each_event() {
        let (signal, log) = (Sums::new(), Log::default());
        let x = signal
            .options()
            .priority(9)
            .connect_async(note_later(&log, "x"));
        let all = signal.options().connect_batch(note_all(&log, "all"));
        let once = signal
            .options()
            .once()
            .connect_async(note_later(&log, "once"));
        let y = signal.connect_async(note_later(&log, "y"));
        let responses = signal.send_batch(&[1, 2]);
        let heard = [
            "all [1, 2]",
            "x starts 1",
            "once starts 1",
            "y starts 1",
            "x ends 1",
            "once ends 1",
            "y ends 1",
            "x starts 2",
            "y starts 2",
            "x ends 2",
            "y ends 2",
        ];
        assert_eq!(lines(&log), heard);
        let responses: Vec<_> = responses.into_pairs().collect();
        let [x, y] = [x.id(), y.id()];
        let expected = [
            (all.id(), 3),
            (x, 1),
            (once.id(), 1),
            (y, 1),
            (x, 2),
            (y, 2),
        ];
        assert_eq!(responses, expected);
        assert_eq!(signal.receiver_count(), 3, "what ran once is out");
    }

    #[test]
    fn on_an_executor_they_are_refused_before_anything_runs() {
        static INNER: Sums = Sums::new();
        static OUTER: Sums = Sums::new();
        let once = INNER
            .options()
            .once()
            .connect_batch(|_, _| unreachable!("nothing may run"));
        INNER.connect_async(|_, event| Box::pin(async move { *event }));
        OUTER.connect(|_, _| INNER.send_batch(&[1, 2]).len() as u32);
        let refused = catch_unwind(|| pollster::block_on(OUTER.asend(&1)));
        let panic = refused.unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains("asend"), "{message}");
        assert_eq!(INNER.receiver_count(), 2);
        assert!(once.is_connected());
    }
}

#[cfg(feature = "queue")]
mod with_queue {
    use super::*;
    use fanfare::{OwnedEvent, Queue, queue};
    use std::sync::atomic::{AtomicUsize, Ordering};

    type Accepted = Signal<u32, Result<u32, queue::Error>>;

    #[test]
    fn a_queue_is_handed_each_event_in_order_at_its_receivers_place() {
        let (signal, log) = (Accepted::new(), Log::default());
        let queue = Queue::bounded(100).unwrap();
        let push = |name: &'static str| {
            let log = Arc::clone(&log);
            move |_: Sender<'_>, event: &u32| log.lock().unwrap().push(format!("{name} {event}"))
        };
        let depths = Arc::new(Mutex::new(Vec::new()));
        let (watched, depth) = (queue.clone(), Arc::clone(&depths));
        signal.options().connect_batch(move |_, events| {
            depth.lock().unwrap().push(watched.stats().pushed);
            Ok(events.iter().sum())
        });
        let options = || signal.options().queued(&queue);
        // Before the others, and once-only: the queue gets one event for it.
        let once = signal.options().priority(1).once();
        let once = once.queued(&queue).connect(push("once"));
        let first = options().connect(push("first"));
        let second = options().connect(push("second"));
        let responses = signal.send_batch(&[7, 8, 9]);
        let whose: Vec<_> = responses.pairs().map(|(receiver, _)| receiver).collect();
        let [once, first, second] = [once, first, second].map(|c| c.id());
        assert_eq!(whose[0], once);
        assert_eq!(whose[2..], [first, first, first, second, second, second]);
        assert!(responses.iter().all(Result::is_ok));
        assert_eq!((responses.len(), responses[1].as_ref()), (8, Ok(&24)));
        assert_eq!(*depths.lock().unwrap(), [1]);
        queue.flush().unwrap();
        let expected = [
            "once 7", "first 7", "first 8", "first 9", "second 7", "second 8", "second 9",
        ];
        assert_eq!(lines(&log), expected);
        assert_eq!(signal.receiver_count(), 3);
    }

    #[test]
    fn refused_events_of_a_queue_are_responses() {
        let signal = Accepted::new();
        let queue = Queue::bounded(10).unwrap();
        signal.options().queued(&queue).connect(|_, _| ());
        signal.connect(|_, event| Ok(*event));
        let left = queue.shutdown(Duration::MAX).unwrap();
        assert!(left.undelivered.is_empty());
        let responses = signal.send_batch(&[1, 2]).into_vec();
        assert!(responses[..2].iter().all(Result::is_err));
        assert_eq!(responses[2..], [Ok(1), Ok(2)]);
    }

    #[test]
    fn each_event_is_cloned_once_however_many_are_queued() {
        static CLONES: AtomicUsize = AtomicUsize::new(0);
        struct Counted;
        impl Clone for Counted {
            fn clone(&self) -> Self {
                CLONES.fetch_add(1, Ordering::Relaxed);
                Counted
            }
        }
        impl Event for Counted {
            type Args<'a> = Counted;
        }
        fn assert_owned<E: OwnedEvent>() {}
        assert_owned::<Counted>();
        let signal = Signal::<Counted>::new();
        let queue = Queue::bounded(100).unwrap();
        signal.connect(|_, _| ());
        signal.send_batch(&[Counted, Counted]);
        assert_eq!(CLONES.load(Ordering::Relaxed), 0, "nobody is queued");
        for n in 0..3 {
            let options = signal.options().dispatch_uid(format!("{n}")).queued(&queue);
            options.connect(|_, _| ());
        }
        assert_eq!(signal.send_batch(&[Counted, Counted]).len(), 8);
        assert_eq!(CLONES.load(Ordering::Relaxed), 2);
        queue.flush().unwrap();
        assert_eq!(queue.delivered(), 6);
    }
}
