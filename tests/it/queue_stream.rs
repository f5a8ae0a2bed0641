//! Events that an async consumer awaits: the next one, and streams.
#![cfg(all(feature = "queue", feature = "async"))]

use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use fanfare::connections::ReceiverKind;
use fanfare::queue::{self, EventStream, NextEvent, Overflow};
use fanfare::{Event, Sender, Signal};
use pollster::block_on;

/// The time after which a consumer that waits is one that was not woken.
const LONG: Duration = Duration::from_secs(60);

type Asked = Signal<u32, Result<(), queue::Error>>;

/// Runs a function each time it is woken.
struct OnWake<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for OnWake<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn waker(on_wake: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(OnWake(on_wake)))
}

/// Returns a waker and the number of its wakes.
fn counting() -> (Waker, Arc<AtomicU32>) {
    let count = Arc::<AtomicU32>::default();
    let counts = Arc::clone(&count);
    let waker = waker(move || {
        counts.fetch_add(1, Ordering::Relaxed);
    });
    (waker, count)
}

fn poll<T>(stream: &mut EventStream<T>) -> Poll<Option<T>> {
    stream.poll_next(&mut Context::from_waker(Waker::noop()))
}

fn rest<T>(stream: &mut EventStream<T>) -> Vec<T> {
    std::iter::from_fn(|| stream.try_next()).collect()
}

/// Runs `consume` on a thread, and fails if it does not end.
fn in_time<T: Send + 'static>(consume: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
    let (ends, ended) = mpsc::channel();
    thread::spawn(move || ends.send(consume()));
    ended
}

fn result<T>(ended: &mpsc::Receiver<T>) -> T {
    let ended = ended.recv_timeout(LONG);
    ended.expect("the consumer was not woken")
}

#[test]
fn an_event_that_is_sent_before_the_first_poll_is_not_lost() {
    let signal = Signal::<u32>::new();
    let next = signal.next();
    signal.send(&7);
    signal.send(&8);
    assert_eq!(block_on(next), Some(7));
}

#[test]
fn a_future_of_the_next_event_disconnects_when_it_is_ready_and_ends() {
    let signal = Signal::<u32>::new();
    let mut next = pin!(signal.next());
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(next.as_mut().poll(&mut cx), Poll::Pending);
    assert_eq!(signal.receiver_count(), 1);
    signal.send(&7);
    assert_eq!(next.as_mut().poll(&mut cx), Poll::Ready(Some(7)));
    assert_eq!(signal.receiver_count(), 0);
    signal.send(&8);
    assert_eq!(next.as_mut().poll(&mut cx), Poll::Ready(None));
}

#[test]
fn a_future_of_the_next_event_disconnects_when_it_is_dropped() {
    let signal = Signal::<u32>::new();
    let next = signal.next();
    let connection = next.connection().clone();
    assert!(connection.is_connected());
    drop(next);
    assert!(!connection.is_connected());
    assert!(signal.send(&7).is_empty());
}

#[test]
fn a_future_of_the_next_event_passes_over_events_that_have_no_item() {
    let signal = Signal::<u32>::new();
    let calls = Arc::<AtomicU32>::default();
    let counts = Arc::clone(&calls);
    let next = signal.options().next_with(move |_, event| {
        counts.fetch_add(1, Ordering::Relaxed);
        (*event > 2).then(|| event * 10)
    });
    for event in 1..=5 {
        signal.send(&event);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 3, "it was called afterwards");
    assert_eq!(block_on(next), Some(30));
}

#[test]
fn a_future_of_the_next_event_waits_for_its_sender() {
    let signal = Signal::<u32>::new();
    let next = signal.options().sender("shop").next();
    let with_sender = signal
        .options()
        .next_with(|sender, event| Some((format!("{sender:?}"), *event)));
    signal.from("web").send(&1);
    signal.from("shop").send(&2);
    assert_eq!(block_on(next), Some(2));
    let (sender, event) = block_on(with_sender).unwrap();
    assert_eq!((sender, event), (format!("{:?}", Sender::named("web")), 1));
}

#[test]
fn a_future_of_the_next_event_ends_if_no_event_can_come() {
    let signal = Signal::<u32>::new();
    let (disconnected, gone) = (signal.next(), signal.options().next());
    let disconnected = in_time(|| block_on(disconnected));
    signal.options().dispatch_uid("stays").connect(|_, _| ());
    signal.disconnect_all();
    assert_eq!(result(&disconnected), None);
    assert_eq!(block_on(gone), None);
    let gone = signal.next();
    let gone = in_time(|| block_on(gone));
    drop(signal);
    assert_eq!(result(&gone), None);
}

#[test]
fn two_senders_lose_no_event_and_no_wake() {
    const EVENTS: u32 = 20_000;
    let (signal, start) = (Asked::new(), Instant::now());
    let mut stream = signal.options().stream(3, Overflow::Reject);
    let consumed = in_time(move || {
        let mut events = Vec::new();
        block_on(async {
            while let Some(event) = stream.next().await {
                events.push(event);
            }
        });
        (events, stream.stats())
    });
    thread::scope(|threads| {
        for sender in 0..2 {
            let signal = &signal;
            threads.spawn(move || {
                for event in sender * EVENTS..(sender + 1) * EVENTS {
                    while signal.send(&event)[0].is_err() {
                        assert!(start.elapsed() < LONG, "the consumer was not woken");
                        thread::yield_now();
                    }
                }
            });
        }
    });
    drop(signal);
    let (events, stats) = result(&consumed);
    for sender in 0..2 {
        let of_sender = events.iter().filter(|event| *event / EVENTS == sender);
        assert!(
            of_sender
                .copied()
                .eq(sender * EVENTS..(sender + 1) * EVENTS)
        );
    }
    assert_eq!((stats.pushed, stats.delivered), (40_000, 40_000));
    assert_eq!((stats.depth, stats.dropped), (0, 0));
}

#[test]
fn a_dropped_future_takes_no_event() {
    let signal = Signal::<u32>::new();
    let mut stream = signal.options().stream(4, Overflow::Reject);
    let mut cx = Context::from_waker(Waker::noop());
    for event in 0..10 {
        {
            let mut dropped = pin!(stream.next());
            assert!(dropped.as_mut().poll(&mut cx).is_pending());
            signal.send(&event);
        }
        // This future is never polled.
        drop(stream.next());
        assert_eq!(block_on(stream.next()), Some(event));
    }
    assert!(poll(&mut stream).is_pending());
}

#[test]
fn only_the_waker_of_the_last_poll_is_woken_and_once() {
    let signal = Signal::<u32>::new();
    let mut stream = signal.options().stream(4, Overflow::Reject);
    let ((first, firsts), (last, lasts)) = (counting(), counting());
    for waker in [&first, &last, &last] {
        assert!(
            stream
                .poll_next(&mut Context::from_waker(waker))
                .is_pending()
        );
    }
    signal.send(&1);
    signal.send(&2);
    let counts = [firsts, lasts].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(counts, [0, 1]);
    assert_eq!(rest(&mut stream), [1, 2]);
}

/// Sends one event more, once, wherever it is called.
fn sending_once(signal: &Arc<Signal<u32>>) -> impl Fn() + Send + Sync + 'static {
    let (signal, has_sent) = (Arc::downgrade(signal), AtomicBool::new(false));
    move || {
        if !has_sent.swap(true, Ordering::Relaxed) {
            signal.upgrade().unwrap().send(&99);
        }
    }
}

#[test]
fn no_lock_is_held_while_a_consumer_is_woken() {
    let signal = Arc::new(Signal::<u32>::new());
    let mut stream = signal.options().stream(4, Overflow::Reject);
    let waker = waker(sending_once(&signal));
    assert!(
        stream
            .poll_next(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let sent = in_time(move || _ = signal.send(&1));
    result(&sent);
    assert_eq!(rest(&mut stream), [1, 99]);
}

#[test]
fn no_lock_is_held_while_an_item_is_made() {
    let signal = Arc::new(Signal::<u32>::new());
    let send = sending_once(&signal);
    let map = move |_: Sender<'_>, event: &u32| {
        send();
        Some(*event)
    };
    let mut stream = signal.options().stream_with(4, Overflow::Reject, map);
    let sent = in_time(move || _ = signal.send(&1));
    result(&sent);
    assert_eq!(rest(&mut stream), [99, 1]);
}

/// Runs a function when it is dropped.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn no_lock_is_held_while_an_event_is_dropped() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Reject] {
        let signal = Arc::new(Signal::<u32>::new());
        let send = Arc::new(sending_once(&signal));
        let map = move |_: Sender<'_>, event: &u32| {
            let send = Arc::clone(&send);
            Some((*event, OnDrop(move || send())))
        };
        let stream = signal.options().stream_with(1, overflow, map);
        let sent = in_time(move || (1..=3).for_each(|event| drop(signal.send(&event))));
        result(&sent);
        assert_eq!(stream.stats().depth, 1, "{overflow:?}");
    }
}

#[test]
fn a_destructor_that_panics_in_a_full_stream_does_not_reach_the_sender() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Reject] {
        let signal = Signal::<u32>::new();
        let leaves = Arc::new(AtomicBool::new(true));
        let leaves_in_map = Arc::clone(&leaves);
        let map = move |_: Sender<'_>, _: &u32| {
            let leaves = Arc::clone(&leaves_in_map);
            Some(OnDrop(move || {
                assert!(!leaves.load(Ordering::Relaxed), "dropped, on purpose");
            }))
        };
        let stream = signal.options().stream_with(1, overflow, map);
        signal.send(&1);
        signal.send(&2);
        leaves.store(false, Ordering::Relaxed);
        assert_eq!(stream.stats().depth, 1);
    }
}

#[test]
fn a_full_stream_treats_events_by_its_policy() {
    let cases = [
        (Overflow::Reject, vec![1, 2], (2, 0, 2)),
        (Overflow::DropNewest, vec![1, 2], (4, 2, 0)),
        (Overflow::DropOldest, vec![3, 4], (4, 2, 0)),
    ];
    for (overflow, expected, counts) in cases {
        let signal = Asked::new();
        let options = signal.options().name("watch");
        let mut stream = options.stream(2, overflow);
        let responses = (1..=4).map(|event| signal.send(&event).to_vec());
        let last = responses.last().unwrap().remove(0);
        if overflow == Overflow::Reject {
            let text = last.unwrap_err().to_string();
            assert!(
                text.starts_with("queue \"watch\" is full with 2 events"),
                "{text}"
            );
        } else {
            assert_eq!(last, Ok(()));
        }
        assert_eq!(stream.stats().depth, 2);
        assert_eq!(rest(&mut stream), expected);
        let stats = stream.stats();
        assert_eq!((stats.pushed, stats.dropped, stats.rejected), counts);
        assert_eq!(stream.rejected(), counts.2);
        assert_eq!(stats.pushed, stats.delivered + stats.dropped);
        assert_eq!(stream.dropped(), stats.dropped);
        // There is room again.
        assert_eq!(*signal.send(&5), [Ok(())]);
        assert_eq!(rest(&mut stream), [5]);
    }
}

fn panic_of<T>(run: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).err().expect("no panic");
    let text = panic.downcast_ref::<String>().cloned();
    text.unwrap_or_else(|| panic.downcast_ref::<&str>().unwrap().to_string())
}

#[test]
fn a_stream_that_would_block_or_has_no_room_is_refused_and_not_connected() {
    let signal = Signal::<u32>::new();
    let blocks = panic_of(|| signal.options().stream(1, Overflow::Block));
    assert!(blocks.contains("does not block its senders"), "{blocks}");
    let no_room = panic_of(|| signal.options().stream(0, Overflow::Reject));
    assert!(no_room.contains("a stream of capacity 0"), "{no_room}");
    assert_eq!(signal.receiver_count(), 0);
}

#[test]
fn a_closed_stream_returns_the_events_inside_and_ends() {
    let signal = Signal::<u32>::new();
    let mut stream = signal.options().stream(4, Overflow::Reject);
    signal.send(&1);
    signal.send(&2);
    assert!(!stream.is_closed());
    stream.close();
    assert!(stream.is_closed());
    assert_eq!(signal.receiver_count(), 0);
    signal.send(&3);
    assert_eq!(poll(&mut stream), Poll::Ready(Some(1)));
    assert_eq!(poll(&mut stream), Poll::Ready(Some(2)));
    assert_eq!(poll(&mut stream), Poll::Ready(None));
    assert_eq!(block_on(stream.next()), None);
}

#[test]
fn a_dropped_stream_disconnects_and_drops_the_events_inside() {
    let signal = Signal::<u32>::new();
    let event = Arc::new(());
    let clones = Arc::clone(&event);
    let map = move |_: Sender<'_>, _: &u32| Some(Arc::clone(&clones));
    let stream = signal.options().stream_with(4, Overflow::Reject, map);
    signal.send(&1);
    signal.send(&2);
    assert_eq!(Arc::strong_count(&event), 4);
    drop(stream);
    assert_eq!(Arc::strong_count(&event), 1);
    assert_eq!(signal.receiver_count(), 0);
}

#[test]
fn a_stream_ends_with_its_receiver_and_wakes_its_consumer() {
    let ends: [fn(&mut Option<Signal<u32>>); 3] = [
        |signal| {
            signal.as_ref().unwrap().disconnect_all();
        },
        |signal| {
            let connection = signal.as_ref().unwrap().connections()[0].id;
            assert!(signal.as_ref().unwrap().disconnect_id(connection));
        },
        |signal| drop(signal.take()),
    ];
    for end in ends {
        let mut signal = Some(Signal::<u32>::new());
        let options = signal.as_ref().unwrap().options();
        let mut stream = options.stream(4, Overflow::Reject);
        signal.as_ref().unwrap().send(&1);
        let (waits, is_waiting) = mpsc::channel();
        let consumed = in_time(move || {
            let first = block_on(stream.next());
            assert!(poll(&mut stream).is_pending());
            waits.send(()).unwrap();
            (first, block_on(stream.next()), stream.is_closed())
        });
        is_waiting.recv().unwrap();
        end(&mut signal);
        assert_eq!(result(&consumed), (Some(1), None, true));
    }
}

/// A send that has started holds the receiver.
#[test]
fn a_disconnect_that_waits_ends_a_stream_although_a_send_held_its_receiver() {
    let signal = Arc::new(Signal::<u32>::new());
    let (enters, entered) = mpsc::channel();
    let (leave, leaves) = mpsc::channel::<()>();
    let leaves = Mutex::new(leaves);
    signal.options().priority(1).connect(move |_, _| {
        enters.send(()).unwrap();
        leaves.lock().unwrap().recv().unwrap();
    });
    let mut stream = signal.options().stream(4, Overflow::Reject);
    let connection = stream.connection().clone();
    let sends = Arc::clone(&signal);
    let sent = in_time(move || _ = sends.send(&1));
    entered.recv().unwrap();
    assert!(connection.disconnect());
    leave.send(()).unwrap();
    result(&sent);
    // The send had started before the disconnect.
    assert_eq!(poll(&mut stream), Poll::Ready(Some(1)));
    assert!(poll(&mut stream).is_pending());
    assert_eq!(connection.disconnect_and_wait(Duration::MAX), Ok(()));
    assert_eq!(poll(&mut stream), Poll::Ready(None));
}

#[test]
fn a_stream_of_a_limited_receiver_ends_after_its_last_run() {
    let signal = Signal::<u32>::new();
    let mut once = signal.options().once().stream(4, Overflow::Reject);
    let mut twice = signal.options().max_calls(2).stream(4, Overflow::Reject);
    for event in 1..=3 {
        signal.send(&event);
    }
    assert_eq!(rest(&mut once), [1]);
    assert_eq!(rest(&mut twice), [1, 2]);
    assert_eq!(poll(&mut once), Poll::Ready(None));
    assert_eq!(poll(&mut twice), Poll::Ready(None));
    assert_eq!(signal.receiver_count(), 0);
}

#[test]
fn a_stream_gets_the_events_of_its_sender() {
    let signal = Signal::<u32>::new();
    let options = signal.options().sender("shop").priority(3);
    let mut stream = options.stream(4, Overflow::Reject);
    signal.send(&1);
    signal.from("shop").send(&2);
    signal.from("web").send(&3);
    assert_eq!(rest(&mut stream), [2]);
    let info = &signal.connections()[0];
    assert_eq!((info.kind, info.priority), (ReceiverKind::Queued, 3));
    assert!(info.name.ends_with("::EventStream<u32>"), "{}", info.name);
}

#[test]
fn each_stream_is_a_receiver_of_its_own() {
    let signal = Signal::<u32>::new();
    let stream = || signal.options().stream(4, Overflow::Reject);
    let (mut first, mut second) = (stream(), stream());
    signal.send(&1);
    assert_eq!((rest(&mut first), rest(&mut second)), (vec![1], vec![1]));
}

#[test]
fn a_stream_whose_uid_is_taken_has_ended_and_leaves_the_other_connected() {
    let signal = Signal::<u32>::new();
    let stream = || {
        let options = signal.options().dispatch_uid("watch");
        options.stream(4, Overflow::Reject)
    };
    let (mut first, mut second) = (stream(), stream());
    assert!(!second.connection().is_new());
    assert_eq!(poll(&mut second), Poll::Ready(None));
    second.close();
    drop(second);
    signal.send(&1);
    assert_eq!(rest(&mut first), [1]);
}

#[test]
fn a_panic_while_an_item_is_made_is_a_panic_of_the_receiver() {
    let signal = Asked::new();
    let map = |_: Sender<'_>, event: &u32| {
        assert!(event % 2 == 1, "an even one, on purpose");
        Some(*event)
    };
    let mut stream = signal.options().stream_with(4, Overflow::Reject, map);
    let next = signal.options().next_with(map);
    assert_eq!(signal.send_robust(&2).panics().len(), 2);
    assert_eq!(panic_of(|| signal.send(&4)), "an even one, on purpose");
    assert_eq!(*signal.send(&5), [Ok(()), Ok(())]);
    assert_eq!(rest(&mut stream), [5]);
    assert_eq!(stream.stats().pushed, 1);
    assert_eq!(block_on(next), Some(5));
}

#[test]
fn a_frozen_signal_refuses_streams_and_keeps_the_ones_it_has() {
    let signal = Asked::new();
    let calls = Arc::<AtomicU32>::default();
    let counts = Arc::clone(&calls);
    let map = move |_: Sender<'_>, event: &u32| {
        counts.fetch_add(1, Ordering::Relaxed);
        Some(*event)
    };
    let mut stream = signal.options().stream_with(1, Overflow::Reject, map);
    let next = signal.next();
    signal.freeze();
    assert!(panic_of(|| signal.next()).contains("frozen"));
    assert!(panic_of(|| signal.options().stream(1, Overflow::Reject)).contains("frozen"));
    assert_eq!(*signal.send(&1), [Ok(()), Ok(())]);
    assert_eq!(block_on(next), Some(1));
    assert_eq!(poll(&mut stream), Poll::Ready(Some(1)));
    assert_eq!(poll(&mut stream), Poll::Pending);
    drop(stream);
    assert_eq!(signal.receiver_count(), 2);
    // The receiver of a stream that is gone ignores events, and is full of none.
    assert_eq!(*signal.send(&2), [Ok(()), Ok(())]);
    assert_eq!(*signal.send(&3), [Ok(()), Ok(())]);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn every_way_of_sending_reaches_a_stream() {
    let signal = Asked::new();
    let mut stream = signal.options().stream(16, Overflow::Reject);
    assert_eq!(*signal.send(&0), [Ok(())]);
    assert_eq!(**signal.send_robust(&1).responses(), [Ok(())]);
    assert_eq!(*signal.send_until_err(&2).unwrap(), [()]);
    assert_eq!(*signal.emitter().send(&3), [Ok(())]);
    assert_eq!(*signal.send_batch(&[4, 5]), [Ok(()), Ok(())]);
    assert_eq!(*block_on(signal.asend(&6)), [Ok(())]);
    assert!(rest(&mut stream).into_iter().eq(0..7));
}

/// Borrows, and is not `Clone`.
struct LineRead<'a> {
    text: &'a str,
}

impl Event for LineRead<'static> {
    type Args<'a> = LineRead<'a>;
}

#[test]
fn a_stream_has_the_items_that_are_made_of_events_that_borrow() {
    let signal = Signal::<LineRead<'static>>::new();
    let map = |_: Sender<'_>, line: &LineRead<'_>| line.text.strip_prefix('!').map(String::from);
    let mut stream = signal.options().stream_with(4, Overflow::Reject, map);
    for text in String::from("!one two !three").split(' ') {
        signal.send(&LineRead { text });
    }
    assert_eq!(rest(&mut stream), ["one", "three"]);
    assert_eq!(stream.stats().pushed, 2);
}

#[test]
fn streams_pass_between_threads_and_through_panics() {
    fn assert_fit<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
    // An event need not be `Sync`.
    assert_fit::<EventStream<std::cell::Cell<u32>>>();
    assert_fit::<NextEvent<std::cell::Cell<u32>>>();
    fn is_send<T: Send>(_: &T) {}
    let signal = Signal::<u32>::new();
    let mut stream = signal.options().stream(1, Overflow::Reject);
    is_send(&stream.next());
}
