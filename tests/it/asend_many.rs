//! Async sends to many receivers, of which each is woken on its own: each is polled for its own
//! sake and to its end, and the responses keep their order.
#![cfg(feature = "async")]

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use fanfare::connections::Changes;
use fanfare::{BoxFuture, Responses, Signal};
use tokio::sync::oneshot;

type Asked = Signal<usize, Result<usize, ()>>;

const MANY: [usize; 2] = [70, 1_000];

/// The ends through which the receivers are woken, and how often each has been polled.
#[derive(Default)]
struct Controls {
    ends: Mutex<Vec<oneshot::Sender<usize>>>,
    polls: Vec<AtomicUsize>,
}

/// Returns a signal with `receivers` receivers, of which each waits for a number of its own.
fn waiting(receivers: usize) -> (Asked, Arc<Controls>) {
    let signal = Asked::new();
    let controls = Arc::new(Controls {
        polls: (0..receivers).map(|_| AtomicUsize::new(0)).collect(),
        ..Controls::default()
    });
    let connect = |changes: &mut Changes<_, _>, place: usize| {
        let controls = Arc::clone(&controls);
        changes.options().connect_async(move |_, factor| {
            let (end, mut told) = oneshot::channel();
            let mut ends = controls.ends.lock().unwrap();
            assert_eq!(ends.len(), place, "they are started in order");
            ends.push(end);
            let controls = Arc::clone(&controls);
            Box::pin(async move {
                let told = poll_fn(|cx| {
                    controls.polls[place].fetch_add(1, Ordering::Relaxed);
                    Pin::new(&mut told).poll(cx)
                });
                Ok(told.await.unwrap() * factor)
            })
        });
    };
    signal.change(|changes| (0..receivers).for_each(|place| connect(changes, place)));
    (signal, controls)
}

fn in_order(receivers: usize) -> Vec<usize> {
    (0..receivers).map(|place| place * 10).collect()
}

async fn send(signal: &Asked, way: usize) -> Vec<usize> {
    let all = |responses: Responses<Result<usize, ()>>| {
        responses
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .unwrap()
    };
    match way {
        0 => all(signal.asend(&10).await),
        1 => all(signal.asend_robust(&10).await.into_result().unwrap()),
        _ => signal.asend_until_err(&10).await.unwrap().into_vec(),
    }
}

struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn each_wakes_the_send_once_and_is_polled_alone() {
    for receivers in MANY {
        for way in 0..3 {
            let (signal, controls) = waiting(receivers);
            let woken = Arc::new(Woken(AtomicUsize::new(0)));
            let waker = Waker::from(Arc::clone(&woken));
            let mut cx = Context::from_waker(&waker);
            let mut send: BoxFuture<'_, _> = Box::pin(send(&signal, way));
            assert!(send.as_mut().poll(&mut cx).is_pending());
            let mut ends = std::mem::take(&mut *controls.ends.lock().unwrap());
            assert_eq!(ends.len(), receivers);
            for place in (0..receivers).rev() {
                let before = woken.0.load(Ordering::Relaxed);
                ends.pop().unwrap().send(place).unwrap();
                assert_eq!(woken.0.load(Ordering::Relaxed), before + 1, "at {place}");
                match send.as_mut().poll(&mut cx) {
                    Poll::Pending => assert!(place > 0),
                    Poll::Ready(responses) => {
                        assert_eq!((place, responses), (0, in_order(receivers)))
                    }
                }
            }
            for (place, polls) in controls.polls.iter().enumerate() {
                assert_eq!(polls.load(Ordering::Relaxed), 2, "of {place}");
            }
        }
    }
}

/// Several at once, between two polls.
#[test]
fn those_woken_together_are_polled_together() {
    for receivers in MANY {
        let (signal, controls) = waiting(receivers);
        let mut cx = Context::from_waker(Waker::noop());
        let mut send: BoxFuture<'_, _> = Box::pin(send(&signal, 0));
        assert!(send.as_mut().poll(&mut cx).is_pending());
        let ends = std::mem::take(&mut *controls.ends.lock().unwrap());
        let (even, odd): (Vec<_>, Vec<_>) = ends
            .into_iter()
            .enumerate()
            .rev()
            .partition(|(place, _)| place % 2 == 0);
        for (place, end) in odd {
            end.send(place).unwrap();
        }
        assert!(send.as_mut().poll(&mut cx).is_pending());
        for (place, end) in even {
            end.send(place).unwrap();
        }
        match send.as_mut().poll(&mut cx) {
            Poll::Ready(responses) => assert_eq!(responses, in_order(receivers)),
            Poll::Pending => panic!("all have been woken"),
        }
    }
}

/// Wakes them from another thread, while the send is being polled.
fn woken_from_outside(controls: &Controls, receivers: usize) {
    while controls.ends.lock().unwrap().len() < receivers {
        thread::yield_now();
    }
    let ends = std::mem::take(&mut *controls.ends.lock().unwrap());
    for (place, end) in ends.into_iter().enumerate().rev() {
        end.send(place).unwrap();
    }
}

#[test]
fn many_receivers_on_tokio_all_respond() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    for receivers in MANY {
        for way in 0..3 {
            let (signal, controls) = waiting(receivers);
            let sent = runtime.spawn(async move { send(&signal, way).await });
            woken_from_outside(&controls, receivers);
            assert_eq!(runtime.block_on(sent).unwrap(), in_order(receivers));
        }
    }
}

#[test]
fn many_receivers_on_smol_all_respond() {
    for receivers in MANY {
        let (signal, controls) = waiting(receivers);
        let sent = smol::spawn(async move { send(&signal, 0).await });
        woken_from_outside(&controls, receivers);
        assert_eq!(smol::block_on(sent), in_order(receivers));
    }
}

#[test]
fn many_receivers_of_a_blocking_send_all_respond() {
    for receivers in MANY {
        let (signal, controls) = waiting(receivers);
        thread::scope(|scope| {
            let sent = scope.spawn(|| signal.send(&10));
            woken_from_outside(&controls, receivers);
            let responses: Result<Vec<_>, ()> = sent.join().unwrap().into_iter().collect();
            assert_eq!(responses.unwrap(), in_order(receivers));
        });
    }
}
