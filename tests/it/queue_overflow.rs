//! The effect of a full queue, by its policy, and that the counters add up.
#![cfg(feature = "queue")]

use std::sync::mpsc;
use std::thread;

use crate::queue_gate::{Gated, assert_adds_up};
use fanfare::queue::{self, Overflow};
use fanfare::{Queue, Signal};

type Asked = Signal<u32, Result<(), queue::Error>>;

fn queue(overflow: Overflow) -> Queue {
    let builder = Queue::builder().name("small").capacity(2);
    builder.overflow(overflow).build().unwrap()
}

/// Fills the line: the worker runs event 0, and 1 and 2 wait.
fn filled(queue: &Queue, signal: &Asked) -> Gated {
    let gated = Gated::connect(signal, queue);
    assert_eq!(*signal.send(&0), [Ok(())]);
    assert_eq!(gated.started(), 0);
    for event in 1..3 {
        assert_eq!(*signal.send(&event), [Ok(())]);
    }
    let stats = queue.stats();
    assert_eq!((stats.depth, stats.running), (2, 1));
    assert_adds_up(stats);
    gated
}

#[test]
fn a_full_queue_blocks_by_default() {
    assert_eq!(Queue::bounded(1).unwrap().overflow(), Overflow::Block);
    assert_eq!(Queue::builder().build().unwrap().capacity(), Some(1_024));
}

#[test]
fn a_sender_waits_for_room() {
    let (queue, signal) = (queue(Overflow::Block), Asked::new());
    let gated = filled(&queue, &signal);
    let (tell, told) = mpsc::channel();
    thread::scope(|threads| {
        threads.spawn(|| {
            let response = signal.send(&3).into_iter().next();
            tell.send(response.unwrap()).unwrap();
        });
        // It has been given to the queue, and there is no room.
        while queue.stats().pushed < 4 {
            thread::yield_now();
        }
        assert_eq!(queue.depth(), 2);
        assert_eq!(told.try_recv(), Err(mpsc::TryRecvError::Empty));
        gated.open(1);
        assert_eq!(told.recv().unwrap(), Ok(()));
        gated.open(3);
    });
    queue.flush().unwrap();
    assert_eq!(gated.seen(), [0, 1, 2, 3]);
    assert_eq!((queue.dropped(), queue.rejected()), (0, 0));
}

#[test]
fn the_newest_is_dropped() {
    let (queue, signal) = (queue(Overflow::DropNewest), Asked::new());
    let gated = filled(&queue, &signal);
    for event in 3..6 {
        assert_eq!(*signal.send(&event), [Ok(())]);
    }
    gated.open(3);
    queue.flush().unwrap();
    assert_eq!(gated.seen(), [0, 1, 2]);
    assert_eq!(
        (queue.stats().pushed, queue.delivered(), queue.dropped()),
        (6, 3, 3)
    );
    assert_adds_up(queue.stats());
}

#[test]
fn the_oldest_is_dropped() {
    let (queue, signal) = (queue(Overflow::DropOldest), Asked::new());
    let gated = filled(&queue, &signal);
    for event in 3..6 {
        assert_eq!(*signal.send(&event), [Ok(())]);
    }
    gated.open(3);
    queue.flush().unwrap();
    assert_eq!(gated.seen(), [0, 4, 5]);
    assert_eq!(
        (queue.stats().pushed, queue.delivered(), queue.dropped()),
        (6, 3, 3)
    );
    assert_adds_up(queue.stats());
}

#[test]
fn a_refusal_is_in_the_response() {
    let (queue, signal) = (queue(Overflow::Reject), Asked::new());
    let gated = filled(&queue, &signal);
    let refused = signal.send(&3);
    let [
        Err(queue::Error::Full {
            queue: name,
            capacity,
            ..
        }),
    ] = &*refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!((&**name, *capacity), ("small", 2));
    let refused = signal.send_until_err(&3).unwrap_err();
    assert_eq!(refused.receiver, gated.connection.id());
    let text = "queue \"small\" is full with 2 events for this worker: give it more capacity or \
                workers, or another overflow policy";
    assert_eq!(refused.error.to_string(), text);
    gated.open(3);
    queue.flush().unwrap();
    assert_eq!(gated.seen(), [0, 1, 2]);
    assert_eq!((queue.stats().pushed, queue.rejected()), (3, 2));
    assert_adds_up(queue.stats());
}

#[test]
fn a_worker_is_refused_where_another_sender_would_wait() {
    let (queue, signal) = (queue(Overflow::Block), Asked::new());
    let (tell, told) = mpsc::channel();
    static INNER: Asked = Asked::new();
    INNER.options().queued(&queue).connect(|_, _| ());
    signal.options().queued(&queue).connect(move |_, event| {
        for nested in 0..3 {
            let response = INNER.send(&nested).into_iter().next();
            tell.send((*event, response.unwrap())).unwrap();
        }
    });
    signal.send(&0);
    let told = Vec::from_iter(told.iter().take(3));
    assert_eq!(told[..2], [(0, Ok(())), (0, Ok(()))]);
    let (0, Err(error @ queue::Error::WouldDeadlock { .. })) = &told[2] else {
        panic!("{told:?}");
    };
    assert!(
        error.to_string().contains("must not wait for itself"),
        "{error}"
    );
    queue.flush().unwrap();
    assert_eq!((queue.delivered(), queue.rejected()), (3, 1));
    INNER.disconnect_all();
}

#[test]
fn each_worker_has_its_own_room() {
    let builder = Queue::builder().workers(2).capacity(1);
    let queue = builder.overflow(Overflow::DropNewest).build().unwrap();
    let signal = Signal::<u32>::new();
    let gated = Gated::connect(&signal, &queue);
    // All of one sender are of one worker, whose line has room for one.
    for event in 0..4 {
        signal.from("one").send(&event);
        if event == 0 {
            assert_eq!(gated.started(), 0);
        }
    }
    assert_eq!((queue.depth(), queue.dropped()), (1, 2));
    gated.open(2);
    queue.flush().unwrap();
    assert_eq!(gated.seen(), [0, 1]);
}

#[test]
fn an_unbounded_queue_is_never_full() {
    let builder = Queue::builder().unbounded();
    let queue = builder.overflow(Overflow::Reject).build().unwrap();
    let signal = Signal::<u32>::new();
    let gated = Gated::connect(&signal, &queue);
    for event in 0..5_000 {
        signal.send(&event);
    }
    assert_eq!(gated.started(), 0);
    assert_eq!((queue.depth(), queue.rejected()), (4_999, 0));
    gated.open(5_000);
    queue.flush().unwrap();
    assert!(gated.seen().into_iter().eq(0..5_000));
}

#[test]
#[should_panic = "capacity 0"]
fn a_capacity_of_0_is_refused() {
    let _ = Queue::bounded(0);
}

#[test]
#[should_panic = "0 workers"]
fn no_workers_are_refused() {
    let _ = Queue::builder().workers(0);
}
