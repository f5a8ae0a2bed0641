//! The target of a weak receiver may be a trait object, a slice or a text.

use fanfare::connections::purged;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare::{Sender, Signal};

type Asked = Signal<(), u32>;

trait Shelf: Send + Sync {
    fn books(&self) -> u32;

    fn asked(&self, _: Sender<'_>, (): &()) -> u32 {
        self.books() + 1
    }
}

/// A shelf that counts its deaths. The alignment moves it away from the counts of its `Arc`.
#[repr(align(64))]
struct Wooden(u32, Arc<AtomicUsize>);

impl Shelf for Wooden {
    fn books(&self) -> u32 {
        self.0
    }
}

impl Drop for Wooden {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

fn shelf(books: u32) -> (Arc<dyn Shelf>, Arc<AtomicUsize>) {
    let deaths = Arc::default();
    (Arc::new(Wooden(books, Arc::clone(&deaths))), deaths)
}

fn books(shelf: &(dyn Shelf + 'static), _: Sender<'_>, (): &()) -> u32 {
    shelf.books()
}

fn twice(shelf: &(dyn Shelf + 'static), _: Sender<'_>, (): &()) -> u32 {
    2 * shelf.books()
}

#[test]
fn a_trait_object_is_called_while_it_lives_and_purged_afterwards() {
    let signal = Asked::new();
    let (target, deaths) = shelf(3);
    let connection = signal.connect_weak(&target, books);
    signal.connect_weak(&target, Shelf::asked);
    signal.connect_weak(&target, |shelf, _sender, ()| shelf.books() + 2);
    assert_eq!(Arc::strong_count(&target), 1);
    assert_eq!(*signal.send(&()), [3, 4, 5]);
    assert_eq!(signal.send_robust(&()).len(), 3);
    assert_eq!(signal.send_batch(&[(), ()]).len(), 6);
    assert_eq!(
        Arc::strong_count(&target),
        1,
        "sends give back their counts"
    );
    assert_eq!(deaths.load(Ordering::Relaxed), 0);
    drop(target);
    assert_eq!(deaths.load(Ordering::Relaxed), 1);
    assert!(!connection.is_connected());
    assert!(signal.send(&()).is_empty());
    assert_eq!((signal.receiver_count(), purged(&signal)), (0, 3));
}

#[test]
fn slices_and_texts_are_targets() {
    let signal = Asked::new();
    let numbers: Arc<[u32]> = Arc::from([1, 2, 3]);
    let text: Arc<str> = Arc::from("four");
    signal.connect_weak(&numbers, |numbers, _sender, ()| numbers.iter().sum());
    signal.connect_weak(&text, |text, _sender, ()| text.len() as u32);
    assert_eq!(*signal.send(&()), [6, 4]);
    drop(numbers);
    assert_eq!(*signal.send(&()), [4]);
    drop(text);
    assert_eq!(signal.purge(), 1);
}

#[test]
fn the_same_method_of_the_same_trait_object_is_one_connection() {
    let signal = Asked::new();
    let concrete = Arc::new(Wooden(3, Arc::default()));
    // Each conversion may refer to a vtable of its own.
    let (first, again): (Arc<dyn Shelf>, Arc<dyn Shelf>) = (concrete.clone(), concrete);
    let (other, _) = shelf(5);
    assert!(signal.connect_weak(&first, books).is_new());
    assert!(!signal.connect_weak(&again, books).is_new());
    assert!(signal.connect_weak(&again, twice).is_new());
    assert!(signal.connect_weak(&other, books).is_new());
    assert_eq!(*signal.send(&()), [3, 6, 5]);
    assert!(!signal.options().disconnect_weak(&other, twice));
    assert!(signal.options().disconnect_weak(&again, books));
    assert!(!signal.options().sender("a").disconnect_weak(&first, twice));
    assert!(signal.options().disconnect_weak(&first, twice));
    assert_eq!(*signal.send(&()), [5]);
}

#[test]
fn a_new_trait_object_at_the_address_of_a_dead_one_is_new() {
    let signal = Asked::new();
    for round in 0..100 {
        let (target, _) = shelf(round);
        assert!(signal.connect_weak(&target, books).is_new());
        assert_eq!(*signal.send(&()), [round]);
    }
}

#[test]
fn a_trait_object_that_is_dropped_during_a_send_still_runs_and_dies_after_it() {
    let signal = Asked::new();
    let (target, deaths) = shelf(3);
    let slot = Arc::new(std::sync::Mutex::new(Some(target.clone())));
    let taken = Arc::clone(&slot);
    signal.connect(move |_sender, ()| {
        drop(taken.lock().unwrap().take());
        0
    });
    let seen = Arc::clone(&deaths);
    signal.connect_weak(&target, move |shelf, _sender, ()| {
        shelf.books() + 10 * seen.load(Ordering::Relaxed) as u32
    });
    drop(target);
    assert_eq!(*signal.send(&()), [0, 3]);
    assert_eq!(deaths.load(Ordering::Relaxed), 1);
}

/// Sends to more targets than a send pins in its frame.
#[test]
fn many_trait_objects_in_one_send_give_back_their_counts() {
    let signal = Asked::new();
    let targets: Vec<_> = (0..40).map(|books| shelf(books).0).collect();
    for target in &targets {
        signal.connect_weak(target, books);
    }
    assert_eq!(*signal.send(&()), Vec::from_iter(0..40));
    assert!(targets.iter().all(|it| Arc::strong_count(it) == 1));
}

#[cfg(feature = "rayon")]
#[test]
fn a_parallel_send_calls_a_trait_object() {
    let signal = Asked::new();
    let (target, deaths) = shelf(3);
    signal.connect_weak(&target, books);
    signal.connect(|_sender, ()| 1);
    assert_eq!(*signal.send_parallel(&()), [3, 1]);
    assert_eq!(Arc::strong_count(&target), 1);
    drop(target);
    assert_eq!(deaths.load(Ordering::Relaxed), 1);
    assert_eq!(*signal.send_parallel(&()), [1]);
}

#[cfg(feature = "async")]
mod awaited {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use fanfare::BoxFuture;

    use super::*;

    /// Responds at its second poll, so that a send is suspended in between.
    fn slowly<'a>(
        shelf: &'a (dyn Shelf + 'static),
        _: Sender<'a>,
        (): &'a (),
    ) -> BoxFuture<'a, u32> {
        let mut polls = 0;
        Box::pin(poll_fn(move |_| {
            polls += 1;
            match polls {
                1 => Poll::Pending,
                _ => Poll::Ready(shelf.books()),
            }
        }))
    }

    #[test]
    fn an_async_send_keeps_a_trait_object_alive_to_its_end() {
        let signal = Asked::new();
        let (target, deaths) = shelf(3);
        assert!(
            signal
                .options()
                .connect_weak_async(&target, slowly)
                .is_new()
        );
        assert!(
            !signal
                .options()
                .connect_weak_async(&target, slowly)
                .is_new()
        );
        let mut cx = Context::from_waker(Waker::noop());
        for is_robust in [false, true] {
            let mut cancelled = Box::pin(signal.asend(&()));
            assert!(cancelled.as_mut().poll(&mut cx).is_pending());
            assert_eq!(Arc::strong_count(&target), 2);
            drop(cancelled);
            assert_eq!(Arc::strong_count(&target), 1);
            if is_robust {
                assert_eq!(
                    pollster::block_on(async {
                        let mut send = pin!(signal.asend_robust(&()));
                        poll_fn(|cx| {
                            let _ = send.as_mut().poll(cx).is_pending();
                            Poll::Ready(())
                        })
                        .await;
                        send.await.len()
                    }),
                    1
                );
            }
        }
        let mut send = Box::pin(signal.asend(&()));
        assert!(send.as_mut().poll(&mut cx).is_pending());
        drop(target);
        assert_eq!(deaths.load(Ordering::Relaxed), 0);
        let Poll::Ready(responses) = send.as_mut().poll(&mut cx) else {
            panic!("the receiver returns at its second poll");
        };
        assert_eq!(*responses, [3]);
        drop(send);
        assert_eq!(deaths.load(Ordering::Relaxed), 1);
        assert!(pollster::block_on(signal.asend(&())).is_empty());
        assert_eq!(purged(&signal), 1);
    }
}
