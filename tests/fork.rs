//! A child of `fork` sends, connects and disconnects, if no other thread was inside fanfare at the
//! moment of the fork. Whatever needs threads of the parent is refused there. In a program of its
//! own, because that must be known of every thread.

#![cfg(target_os = "linux")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use fanfare::{Connection, Sender, Signal};

static SIGNAL: Signal<()> = Signal::new();
static CALLS: AtomicUsize = AtomicUsize::new(0);

fn count(_sender: Sender<'_>, _event: &()) {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Uses the signal in every way. Returns `true` if all of it had its effect.
fn works(first: &Connection) -> bool {
    let before = CALLS.load(Ordering::Relaxed);
    let sent = SIGNAL.send(&()).len();
    let second = SIGNAL.options().dispatch_uid("second").connect(count);
    let sent_to_two = SIGNAL.send(&()).len();
    let waited = second.disconnect_and_wait(Duration::from_secs(10));
    let on_a_thread = thread::spawn(|| SIGNAL.send(&()).len()).join();
    (sent, sent_to_two, waited, on_a_thread.ok()) == (1, 2, Ok(()), Some(1))
        && first.is_connected()
        && CALLS.load(Ordering::Relaxed) == before + 4
}

/// One test at a time: the others wait outside of fanfare.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs `child` in a child of `fork`, and checks that it returns `true`.
fn in_a_child(child: impl FnOnce() -> bool) {
    // SAFETY: other threads of this program wait: the harness's, a test's for its turn, a queue's
    // for an event or in a receiver, a pool's for work. They do not have a lock that the child
    // uses.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "no child could be made");
    if pid == 0 {
        // SAFETY: it makes the kernel end the child if it hangs.
        unsafe { libc::alarm(30) };
        let has_passed = catch_unwind(AssertUnwindSafe(child)).unwrap_or(false);
        // SAFETY: it ends the child without code of the harness.
        unsafe { libc::_exit(if has_passed { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: `pid` is a child of this process, and the pointer is to a local variable.
    let ended = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!((ended, status), (pid, 0), "the child failed or was killed");
}

#[test]
fn a_child_of_fork_sends_and_changes() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let first = SIGNAL.connect(count);
    // A thread that has sent and has ended leaves its node to the child.
    thread::spawn(|| SIGNAL.send(&())).join().unwrap();
    assert!(works(&first));
    in_a_child(|| works(&first));
    assert!(works(&first), "the parent goes on");
}

#[cfg(feature = "queue")]
mod queues {
    use super::*;
    use fanfare::Queue;
    use fanfare::error::WaitError;
    use fanfare::queue::{self, Overflow};
    use std::sync::mpsc;

    type Asked = Signal<u32, Result<(), queue::Error>>;
    const POLICIES: [Overflow; 4] = [
        Overflow::Block,
        Overflow::DropNewest,
        Overflow::DropOldest,
        Overflow::Reject,
    ];
    const NEVER: Duration = Duration::MAX;
    /// The kinds of receivers: `true` is async.
    const IS_ASYNC: &[bool] = if cfg!(feature = "async") {
        &[false, true]
    } else {
        &[false]
    };

    fn is_refused(signal: &Asked, queue: &Queue) -> bool {
        let before = queue.rejected();
        let refused = signal.send_until_err(&7);
        let refused = refused.is_err_and(|stopped| {
            matches!(&stopped.error, queue::Error::Forked { queue, .. } if **queue == *"before")
                && stopped
                    .error
                    .to_string()
                    .contains("make a queue after the fork")
        });
        let explanation = signal.explain(Sender::NONE);
        let verdict = explanation.connections[0].verdict.to_string();
        let reason = "queue \"before\" was made before this process was forked";
        let flush = queue.flush();
        let shutdown = queue.shutdown(NEVER).map(|_| ());
        refused
            && verdict == format!("would not run: {reason}")
            && queue.rejected() == before + 1
            && [flush, shutdown]
                .iter()
                .all(|waited| matches!(waited, Err(queue::WaitError::Forked { .. })))
    }

    /// Returns `true` if a queue of its own delivers in a child.
    fn a_new_one_works() -> bool {
        let signal = Asked::new();
        let queue = Queue::bounded(4).unwrap();
        let receiver = signal.options().queued(&queue).connect(|_, _| ());
        let sent = signal.send_until_err(&1).is_ok();
        let flushed = queue.flush().is_ok() && queue.delivered() == 1;
        let waited = receiver.disconnect_and_wait(NEVER).is_ok();
        sent && flushed && waited && queue.shutdown(NEVER).is_ok()
    }

    #[test]
    fn a_queue_from_before_a_fork_refuses_everything_in_the_child() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        for policy in POLICIES {
            for is_async in IS_ASYNC.iter().copied() {
                let signal = Asked::new();
                let builder = Queue::builder().name("before").capacity(1).overflow(policy);
                // Its second threads are of the parent as well.
                #[cfg(feature = "async")]
                let builder = builder.concurrency(if is_async { 3 } else { 1 });
                let queue = builder.workers(2).build().unwrap();
                let options = signal.options().queued(&queue);
                #[cfg(feature = "async")]
                let receiver = if is_async {
                    options.connect_async(|_, _| Box::pin(async {}))
                } else {
                    options.connect(|_, _| ())
                };
                #[cfg(not(feature = "async"))]
                let receiver = options.connect(move |_, _| assert!(!is_async));
                signal.send_until_err(&1).unwrap();
                queue.flush().unwrap();
                let mut held = Some((receiver, signal, queue));
                in_a_child(|| {
                    let (receiver, signal, queue) = held.take().unwrap();
                    let refused = is_refused(&signal, &queue) && is_refused(&signal, &queue);
                    let waited = receiver.disconnect_and_wait(NEVER);
                    // No drop waits.
                    drop((receiver, signal, queue));
                    refused && waited == Ok(()) && a_new_one_works()
                });
            }
        }
    }

    #[test]
    fn a_child_does_not_wait_for_the_events_of_its_parents_queue() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        for policy in POLICIES {
            let signal = Asked::new();
            let builder = Queue::builder().name("before").capacity(1).overflow(policy);
            let queue = builder.build().unwrap();
            let (started, has_started) = mpsc::channel();
            let (go_on, wait) = mpsc::channel::<()>();
            let wait = Mutex::new(wait);
            let receiver = signal.options().queued(&queue).connect(move |_, _| {
                started.send(()).unwrap();
                wait.lock().unwrap().recv().unwrap();
            });
            // One is in the hands of the worker, one waits, and the line is full.
            signal.send_until_err(&1).unwrap();
            has_started.recv().unwrap();
            signal.send_until_err(&2).unwrap();
            let mut held = Some((receiver, signal, queue));
            in_a_child(|| {
                let (receiver, signal, queue) = held.take().unwrap();
                let refused = is_refused(&signal, &queue);
                let waited = receiver.disconnect_and_wait(NEVER);
                drop((receiver, signal, queue));
                refused && waited == Err(WaitError::Forked) && a_new_one_works()
            });
            let (_receiver, _signal, queue) = held.unwrap();
            go_on.send(()).unwrap();
            go_on.send(()).unwrap();
            queue.flush().unwrap();
            assert_eq!(queue.delivered(), 2, "the parent goes on");
        }
    }

    /// The child has the worker's thread as its only one.
    /// Counts its drops.
    #[cfg(feature = "async")]
    struct Item;

    #[cfg(feature = "async")]
    static DROPPED: AtomicUsize = AtomicUsize::new(0);

    #[cfg(feature = "async")]
    impl Drop for Item {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[cfg(feature = "async")]
    #[test]
    fn a_stream_from_before_a_fork_has_ended_in_the_child() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let signal = Asked::new();
        let options = signal.options().name("before");
        let stream = options.stream_with(4, Overflow::Reject, |_, _| Some(Item));
        let next = signal.next();
        signal.send(&1);
        let mut held = Some((stream, next));
        in_a_child(|| {
            let (mut stream, next) = held.take().unwrap();
            let refused = &signal.send(&2)[0];
            let is_refused =
                matches!(refused, Err(queue::Error::Forked { queue, .. }) if **queue == *"before");
            let has_ended = stream.is_closed() && stream.try_next().is_none();
            let has_ended = has_ended && pollster::block_on(stream.next()).is_none();
            let next_has_ended = pollster::block_on(next).is_none();
            drop(stream);
            let is_kept = DROPPED.load(Ordering::Relaxed) == 0 && signal.receiver_count() == 0;
            let own = signal.next();
            signal.send(&3);
            let own = pollster::block_on(own) == Some(3);
            is_refused && has_ended && next_has_ended && is_kept && own
        });
        let (mut stream, _) = held.unwrap();
        assert!(stream.try_next().is_some(), "the parent goes on");
    }

    #[test]
    fn a_worker_that_forks_delivers_no_more_events_in_the_child() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let signal = Signal::<u32>::new();
        let queue = Queue::bounded(4).unwrap();
        let (children, child) = mpsc::channel();
        let (started, has_started) = mpsc::channel();
        let (go_on, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        signal
            .options()
            .queued(&queue)
            .connect(move |_, n| match n {
                1 => {
                    started.send(()).unwrap();
                    wait.lock().unwrap().recv().unwrap();
                    // SAFETY: as in `in_a_child`.
                    let pid = unsafe { libc::fork() };
                    if pid == 0 {
                        // SAFETY: it makes the kernel end the child if it hangs.
                        unsafe { libc::alarm(30) };
                    } else {
                        children.send(pid).unwrap();
                    }
                }
                // SAFETY: it ends the process of a test that has failed.
                _ => unsafe {
                    if children.send(0).is_err() {
                        libc::_exit(1)
                    }
                },
            });
        signal.send(&1);
        has_started.recv().unwrap();
        signal.send(&2);
        go_on.send(()).unwrap();
        queue.flush().unwrap();
        let pid = child.recv().unwrap();
        assert!(pid > 0, "no child could be made");
        let mut status = 0;
        // SAFETY: `pid` is a child of this process, and the pointer is to a local variable.
        let ended = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        assert_eq!((ended, status), (pid, 0), "the child ended with its worker");
        assert_eq!(
            (child.recv(), queue.delivered()),
            (Ok(0), 2),
            "the parent delivers it"
        );
    }
}

#[cfg(feature = "rayon")]
#[test]
fn a_parallel_send_in_a_child_is_refused_where_its_pool_was_made_before() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let signal = Signal::<(), u32>::new();
    signal.connect(|_, ()| 1);
    signal.connect(|_, ()| 2);
    if rayon::current_num_threads() < 2 {
        return;
    }
    assert_eq!(*signal.send_parallel(&()), [1, 2]);
    in_a_child(|| {
        let sends: [&dyn Fn(); 2] = [&|| drop(signal.send_parallel(&())), &|| {
            drop(signal.send_parallel_robust(&()))
        }];
        let refused = sends.iter().all(|send| {
            let panic = catch_unwind(AssertUnwindSafe(send)).unwrap_err();
            let text = panic.downcast_ref::<String>().unwrap();
            text.contains("the threads of the rayon pool do not exist")
        });
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(2)
            .build()
            .unwrap();
        let in_a_new_pool = pool.install(|| signal.send_parallel(&()));
        refused && *in_a_new_pool == [1, 2] && *signal.send(&()) == [1, 2]
    });
    assert_eq!(*signal.send_parallel(&()), [1, 2], "the parent goes on");
}

#[cfg(feature = "tokio")]
#[test]
fn an_offloaded_receiver_in_a_child_is_refused_where_its_runtime_was_made_before() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    }
    let signal = Signal::<u32, u32>::new();
    signal.options().connect_offloaded(|_, n| *n);
    let before = runtime();
    assert_eq!(*before.block_on(signal.asend(&1)), [1]);
    // Another runtime is remembered as well, so that the check has to compare runtimes.
    assert_eq!(*runtime().block_on(signal.asend(&1)), [1]);
    in_a_child(|| {
        let outcomes = before.block_on(signal.asend_robust(&1));
        let refused = outcomes
            .panics()
            .all(|failure| failure.message().contains("forked"));
        let after = runtime().block_on(async { signal.asend(&2).await.into_vec() });
        std::mem::forget(before);
        refused && outcomes.panics().count() == 1 && after == [2]
    });
}
