//! A scope that shuffles calls receivers of equal priority in an order that its seed decides.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use fanfare::{Deferred, Signal, testing};

/// Enough seeds to see each order of three receivers: one in 10^15 runs would miss one.
const SEEDS: u64 = 200;

const EACH_ORDER: [&str; 6] = ["abc", "acb", "bac", "bca", "cab", "cba"];

/// The calls of receivers, a letter for each.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<String>>);

impl Calls {
    fn note(&self, letter: char) {
        self.0.lock().unwrap().push(letter);
    }

    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// Returns the orders of the calls that `send` makes in scopes with different seeds.
    fn orders<T>(&self, send: impl Fn() -> T) -> HashSet<String> {
        (0..SEEDS).map(|seed| self.order(seed, &send)).collect()
    }

    fn order<T>(&self, seed: u64, send: impl Fn() -> T) -> String {
        testing::scope(|scope| {
            scope.shuffle(seed);
            send();
        });
        self.take()
    }
}

fn set(orders: &[&str]) -> HashSet<String> {
    orders.iter().map(ToString::to_string).collect()
}

/// Returns a signal with a receiver for each letter.
fn with_receivers(calls: &Calls, letters: &str) -> Signal<u32> {
    let signal = Signal::new();
    for letter in letters.chars() {
        let calls = calls.clone();
        signal.connect(move |_sender, _event| calls.note(letter));
    }
    signal
}

#[test]
fn each_order_occurs_in_each_way_of_sending() {
    let calls = Calls::default();
    let signal = with_receivers(&calls, "abc");
    let each = set(&EACH_ORDER);
    assert_eq!(calls.orders(|| signal.send(&1)), each);
    assert_eq!(calls.orders(|| signal.send_robust(&1)), each);
    assert_eq!(calls.orders(|| signal.from("shop").send(&1)), each);
    assert_eq!(calls.orders(|| signal.send_batch(&[1])), each);
    assert_eq!(calls.orders(|| signal.emitter().send(&1)), each);
    let commit = || {
        let mut deferred = Deferred::new();
        deferred.record(&signal, 1);
        deferred.commit();
    };
    assert_eq!(calls.orders(commit), each);
    #[cfg(feature = "async")]
    assert_eq!(calls.orders(|| pollster::block_on(signal.asend(&1))), each);
    signal.freeze();
    assert_eq!(calls.orders(|| signal.send(&1)), each);
}

#[test]
fn sends_outside_of_the_scope_keep_their_order() {
    let calls = Calls::default();
    let signal = with_receivers(&calls, "abc");
    testing::scope(|scope| {
        scope.shuffle(1);
        let outside = std::thread::scope(|threads| {
            let send = || (0..50).for_each(|_| drop(signal.send(&1)));
            threads.spawn(send).join().unwrap();
            calls.take()
        });
        assert_eq!(outside, "abc".repeat(50));
    });
    signal.send(&1);
    assert_eq!(calls.take(), "abc");
}

#[test]
fn an_inner_scope_is_shuffled_by_the_outer_one() {
    let calls = Calls::default();
    let signal = with_receivers(&calls, "abc");
    let nested = || testing::scope(|_inner| signal.send(&1));
    assert_eq!(calls.orders(nested), set(&EACH_ORDER));
}

#[test]
fn a_seed_decides_the_orders_of_all_sends() {
    let calls = Calls::default();
    let signal = with_receivers(&calls, "abcdefgh");
    let ten = || (0..10).for_each(|_| drop(signal.send(&1)));
    let first = calls.order(7, ten);
    assert_eq!(calls.order(7, ten), first);
    assert_ne!(calls.order(8, ten), first);
    // Each send has an order of its own.
    let sends: HashSet<&[u8]> = first.as_bytes().chunks(8).collect();
    assert!(sends.len() > 5, "{first}");
}

#[test]
fn receivers_of_different_priorities_keep_their_order() {
    let calls = Calls::default();
    let signal = Signal::<u32>::new();
    for (letter, priority) in [('a', 1), ('b', 1), ('c', 0), ('d', -1), ('e', -1)] {
        let calls = calls.clone();
        let options = signal.options().priority(priority);
        options.connect(move |_sender, _event| calls.note(letter));
    }
    let orders = set(&["abcde", "abced", "bacde", "baced"]);
    assert_eq!(calls.orders(|| signal.send(&1)), orders);
}

#[test]
fn receivers_of_one_sender_change_places_with_those_of_any_sender() {
    let calls = Calls::default();
    let signal = with_receivers(&calls, "ab");
    let of_shop = calls.clone();
    let options = signal.options().sender("shop");
    options.connect(move |_sender, _event| of_shop.note('c'));
    let orders = calls.orders(|| signal.from("shop").send(&1));
    assert_eq!(orders, set(&EACH_ORDER));
    assert_eq!(calls.orders(|| signal.send(&1)), set(&["ab", "ba"]));
}

#[test]
fn weak_receivers_keep_their_targets() {
    let calls = Calls::default();
    let signal = with_receivers(&calls, "x");
    let targets: Vec<Arc<char>> = ['a', 'b', 'c'].map(Arc::new).into();
    for target in &targets {
        let calls = calls.clone();
        signal.connect_weak(target, move |letter, _sender, _event| calls.note(*letter));
    }
    let orders = calls.orders(|| signal.send(&1));
    assert_eq!(orders.len(), 24);
    let sorted = |order: &String| {
        let mut letters: Vec<char> = order.chars().collect();
        letters.sort_unstable();
        letters.into_iter().collect::<String>()
    };
    assert_eq!(
        orders.iter().map(sorted).collect::<HashSet<_>>(),
        set(&["abcx"])
    );
}

#[test]
fn responses_come_in_the_order_of_the_calls() {
    let signal = Signal::<u32, char>::new();
    for letter in ['a', 'b', 'c'] {
        signal.connect(move |_sender, _event| letter);
    }
    let responses = |seed| {
        testing::scope(|scope| {
            scope.shuffle(seed);
            signal.send(&1).iter().collect::<String>()
        })
    };
    let orders: HashSet<String> = (0..SEEDS).map(responses).collect();
    assert_eq!(orders, set(&EACH_ORDER));
}

#[cfg(feature = "async")]
mod of_futures {
    use super::*;

    /// Returns a signal with async receivers that note their starts in lower case, and their ends
    /// in upper case.
    fn with_async_receivers(calls: &Calls) -> Signal<u32> {
        let signal = Signal::new();
        for letter in ['a', 'b', 'c'] {
            let calls = calls.clone();
            signal.connect_async(move |_sender, _event| {
                let calls = calls.clone();
                Box::pin(async move { calls.note(letter) })
            });
        }
        signal
    }

    #[test]
    fn async_receivers_run_and_end_in_each_order() {
        let calls = Calls::default();
        let signal = with_async_receivers(&calls);
        let asend = || pollster::block_on(signal.asend(&1));
        assert_eq!(calls.orders(asend), set(&EACH_ORDER));
        let asend_robust = || pollster::block_on(signal.asend_robust(&1));
        assert_eq!(calls.orders(asend_robust), set(&EACH_ORDER));
        assert_eq!(calls.orders(|| signal.send(&1)), set(&EACH_ORDER));
    }

    #[test]
    fn async_receivers_end_in_another_order_than_they_start() {
        let calls = Calls::default();
        let signal = Signal::<u32>::new();
        for (start, end) in [('a', 'A'), ('b', 'B')] {
            let calls = calls.clone();
            signal.connect_async(move |_sender, _event| {
                calls.note(start);
                let calls = calls.clone();
                Box::pin(async move { calls.note(end) })
            });
        }
        let orders = calls.orders(|| pollster::block_on(signal.asend(&1)));
        assert_eq!(orders, set(&["abAB", "abBA", "baAB", "baBA"]));
    }

    #[test]
    fn async_receivers_that_wait_for_one_another_end() {
        let signal = Signal::<u32>::new();
        let (sender, receiver) = futures_channel();
        signal.connect_async(move |_sender, _event| {
            let receiver = receiver.clone();
            Box::pin(async move { receiver.wait().await })
        });
        signal.connect_async(move |_sender, _event| {
            let sender = sender.clone();
            Box::pin(async move { sender.open() })
        });
        for seed in 0..SEEDS {
            testing::scope(|scope| {
                scope.shuffle(seed);
                pollster::block_on(signal.asend(&1));
            });
        }
    }

    /// A gate that a task opens and another one waits for.
    #[derive(Clone, Default)]
    struct Gate(Arc<Mutex<(bool, Option<std::task::Waker>)>>);

    fn futures_channel() -> (Gate, Gate) {
        let gate = Gate::default();
        (gate.clone(), gate)
    }

    impl Gate {
        fn open(&self) {
            let mut state = self.0.lock().unwrap();
            state.0 = true;
            if let Some(waker) = state.1.take() {
                waker.wake();
            }
        }

        async fn wait(&self) {
            std::future::poll_fn(|cx| {
                let mut state = self.0.lock().unwrap();
                state.1 = Some(cx.waker().clone());
                match std::mem::take(&mut state.0) {
                    true => std::task::Poll::Ready(()),
                    false => std::task::Poll::Pending,
                }
            })
            .await;
        }
    }
}

#[test]
fn a_failure_names_the_seed() {
    let calls = Calls::default();
    let signal = with_receivers(&calls, "a");
    testing::scope(|scope| {
        scope.shuffle(4711);
        signal.send(&1);
        let failed = catch_unwind(AssertUnwindSafe(|| scope.assert_not_sent(&signal)));
        let message = *failed.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains(", shuffled by seed 4711; "), "{message}");
        let failed = catch_unwind(AssertUnwindSafe(|| scope.nothing_sent()));
        let message = *failed.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains(", shuffled by seed 4711:"), "{message}");
    });
}

#[test]
#[should_panic(expected = "the scope is shuffled already: use a scope for each seed")]
fn a_scope_is_shuffled_once() {
    testing::scope(|scope| {
        scope.shuffle(1);
        scope.shuffle(2);
    });
}
