//! Sends that are observed allocate no more than others, and attaches leave nothing behind.

use std::cell::Cell;

use fanfare::Signal;
use fanfare::watch::{self, ObservedReceiver, ObservedSend, Observer, ReceiverEnd, SendEnd};

use crate::allocations;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// An observer that counts the steps of each thread.
struct Count;

impl Observer for Count {
    fn send_started(&self, _send: &ObservedSend<'_>) {
        COUNT.set(COUNT.get() + 1);
    }

    fn send_ended(&self, _send: &ObservedSend<'_>, end: &SendEnd) {
        COUNT.set(COUNT.get() + end.reached as u64);
    }

    fn receiver_ended(
        &self,
        _send: &ObservedSend<'_>,
        _receiver: &ObservedReceiver<'_>,
        _end: &ReceiverEnd,
    ) {
        COUNT.set(COUNT.get() + 1);
    }
}

#[test]
fn an_observed_send_does_not_allocate() {
    for size in [1, 16, 256] {
        let signal = Signal::<u64>::new();
        for at in 0..size {
            signal.connect(move |_sender, _id| {
                std::hint::black_box(at);
            });
        }
        let _watch = watch::signal(&signal, Count);
        signal.send(&1);
        COUNT.set(0);
        assert_eq!(allocations(|| drop(signal.send(&1))), 0);
        assert_eq!(COUNT.get(), 1 + 2 * size);
        assert_eq!(allocations(|| drop(signal.from("shop").send(&1))), 0);
        let mut emitter = signal.emitter();
        emitter.send(&1);
        assert_eq!(allocations(|| drop(emitter.send(&1))), 0);
    }
}

#[test]
fn attaches_leave_no_memory_behind() {
    let signal = Signal::<u64>::new();
    signal.connect(|_sender, _id| ());
    let toggle = || drop(watch::signal(&signal, Count));
    toggle();
    let left = allocation_counter::measure(|| (0..10_000).for_each(|_| toggle()));
    assert!(left.bytes_current.abs() < 4_096, "{left:?}");
    assert!(left.bytes_max < 65_536, "{left:?}");
}

/// A relay delivers to a durable receiver that no observer sees as before there were observers.
#[cfg(feature = "async")]
#[test]
fn a_delivery_that_is_not_observed_allocates_nothing_more() {
    use fanfare::__private::{DurableHook, Origin, StoredEvent};
    use fanfare::Sender;
    use fanfare::watch::Context;
    use std::panic::Location;

    static PAID: Signal<u32> = Signal::new();

    let hook = DurableHook::new(&PAID, "mail".to_owned(), Location::caller());
    hook.connect();
    let relay = Context::default();
    let attempt = || {
        hook.start(&relay, || StoredEvent {
            id: 7,
            attempt: 1,
            sender: Sender::NONE,
            origin: None,
        })
    };
    let unobserved = allocations(|| {
        assert!(Origin::current().is_none());
        assert!(attempt().is_none());
    });
    assert_eq!(unobserved, 0);
    let _watch = watch::signal(&PAID, Count);
    COUNT.set(0);
    drop(attempt());
    // The start, the end and the receiver that was reached.
    assert_eq!(COUNT.get(), 2);
    hook.disconnect();
}
