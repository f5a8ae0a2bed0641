//! Sends inside sends: deep nesting works in every way, a circle by mistake is a panic.
//!
//! A stack overflow ends the process, so every test runs in a process of its own, on a thread with
//! the default size of a thread's stack unless it asks for more.

use std::env;
use std::ops::ControlFlow;
use std::panic::catch_unwind;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fanfare::{Sender, Signal};

type Countdown = Signal<u32, u32>;

/// The depth of nested sends to strong receivers, also without optimization.
const DEEP: u32 = 900;
/// The depth of nested sends that need more stack for each.
const COSTLY: u32 = 150;
/// Deeper than any stack.
const CIRCLE: u32 = 1_000_000;

static SIGNAL: Countdown = Signal::new();

#[test]
fn deep_plain_sends_end_in_a_panic() {
    survives("deep_plain_sends_end_in_a_panic", || {
        SIGNAL.connect(|_, left| count(*left, |left| SIGNAL.send(left)[0]));
        goes(DEEP, |left| SIGNAL.send(left)[0]);
    });
}

#[test]
fn sends_without_responses() {
    static QUIET: Signal<u32> = Signal::new();
    static DEEPEST: AtomicUsize = AtomicUsize::new(0);
    survives("sends_without_responses", || {
        QUIET.connect(|_, left| {
            DEEPEST.fetch_max((DEEP - left) as usize, Ordering::Relaxed);
            count(*left, |left| QUIET.send(left).len() as u32);
        });
        assert_eq!(QUIET.send(&DEEP).len(), 1);
        assert_eq!(DEEPEST.load(Ordering::Relaxed), DEEP as usize);
    });
}

#[test]
fn sends_from_a_sender() {
    survives("sends_from_a_sender", || {
        let options = SIGNAL.options().sender("s");
        options.connect(|_, left| count(*left, |left| SIGNAL.from("s").send(left)[0]));
        goes(DEEP, |left| SIGNAL.from("s").send(left)[0]);
    });
}

#[test]
fn sends_by_emitters() {
    survives("sends_by_emitters", || {
        SIGNAL.connect(|_, left| count(*left, |left| SIGNAL.emitter().send(left)[0]));
        goes(DEEP, |left| SIGNAL.emitter().send(left)[0]);
    });
}

#[test]
fn sends_to_both_kinds_of_receivers() {
    survives("sends_to_both_kinds_of_receivers", || {
        SIGNAL.connect(|_, _| 0);
        let options = SIGNAL.options().sender("s").priority(1);
        options.connect(|_, left| count(*left, |left| SIGNAL.from("s").send(left)[0]));
        goes(COSTLY, |left| SIGNAL.from("s").send(left)[0]);
    });
}

#[test]
fn sends_to_many_receivers() {
    survives("sends_to_many_receivers", || {
        SIGNAL.change(|changes| {
            (0..5_000).for_each(|value| changes.connect(move |_, _| value));
        });
        let options = SIGNAL.options().priority(1);
        options.connect(|_, left| count(*left, first_response));
        goes(COSTLY, first_response);
    });
}

#[test]
fn deep_robust_sends_end_in_a_panic() {
    survives("deep_robust_sends_end_in_a_panic", || {
        SIGNAL.connect(|_, left| count(*left, robust_response));
        assert_eq!(robust_response(&COSTLY), COSTLY);
        assert!(
            robust_response(&CIRCLE) < CIRCLE,
            "one level reports the limit, the others count on"
        );
        assert_eq!(robust_response(&COSTLY), COSTLY);
    });
}

#[test]
fn sends_until_and_each() {
    survives("sends_until_and_each", || {
        SIGNAL.connect(|_, left| match *left {
            0 => 0,
            left if left % 2 == 0 => first_response(&(left - 1)) + 1,
            left => {
                let send = SIGNAL.send_each(&(left - 1), |_, value| ControlFlow::Break(value));
                send.break_value().unwrap() + 1
            }
        });
        goes(COSTLY, first_response);
    });
}

#[test]
fn sends_to_a_weak_receiver() {
    survives("sends_to_a_weak_receiver", || {
        let target = Arc::new(0_u32);
        SIGNAL.connect_weak(&target, |zero: &u32, _, left| {
            count(*left, |left| SIGNAL.send(left)[0]) + zero
        });
        goes(COSTLY, |left| SIGNAL.send(left)[0]);
    });
}

/// Each level runs, and spends, the next of them.
#[test]
fn sends_to_once_receivers() {
    survives("sends_to_once_receivers", || {
        for turn in 0..=COSTLY {
            let options = SIGNAL.options().once();
            options.connect(move |_, left| {
                assert_eq!(COSTLY - left, turn);
                count(*left, first_response)
            });
        }
        assert_eq!(first_response(&COSTLY), COSTLY);
        assert!(SIGNAL.send(&0).is_empty(), "each ran once");
    });
}

/// A circle through the costliest send is stopped as well.
#[test]
fn robust_sends_to_weak_receivers_of_a_sender() {
    survives("robust_sends_to_weak_receivers_of_a_sender", || {
        let target = Arc::new(1_u32);
        SIGNAL.connect(|_, _| 0);
        let options = SIGNAL.options().sender("s");
        options.connect_weak(&target, |step: &u32, _, depth| {
            SIGNAL
                .from("s")
                .send_robust(&(depth + step))
                .panics()
                .count() as u32
        });
        let results = SIGNAL.from("s").send_robust(&0);
        assert!(
            results.all_ok(),
            "some level caught it, and the levels above went on"
        );
    });
}

#[test]
fn the_thousandth_works_and_the_next_is_a_panic() {
    static DEEPEST: AtomicUsize = AtomicUsize::new(0);
    survives("the_thousandth_works_and_the_next_is_a_panic", || {
        let connection = SIGNAL.connect(|_, depth| {
            DEEPEST.fetch_max(*depth as usize, Ordering::Relaxed);
            SIGNAL.send(&(depth + 1))[0]
        });
        let other = SIGNAL.options().sender("a").connect(|_, _| 1);
        for _ in 0..3 {
            assert_refused(|| SIGNAL.send(&1)[0]);
            assert_eq!(DEEPEST.swap(0, Ordering::Relaxed), 1_000);
            assert!(connection.is_connected() && other.is_connected());
            assert_eq!(
                (SIGNAL.receiver_count(), SIGNAL.connections().len()),
                (2, 2)
            );
        }
        connection.disconnect();
        assert_eq!(*SIGNAL.from("a").send(&1), [1]);
    });
}

/// Two signals that call each other are no deeper than one that calls itself.
#[test]
fn the_limit_is_for_all_signals_of_a_thread() {
    static PONG: Countdown = Signal::new();
    survives("the_limit_is_for_all_signals_of_a_thread", || {
        SIGNAL.connect(|_, left| count(*left, |left| PONG.send(left)[0]));
        PONG.connect(|_, left| match *left {
            400 => thread::spawn(|| SIGNAL.send(&700)[0] + 1).join().unwrap(),
            left => count(left, |left| SIGNAL.send(left)[0]),
        });
        assert_refused(|| SIGNAL.send(&1_400)[0]);
        assert_eq!(
            *SIGNAL.send(&901),
            [1_202],
            "the other half in another thread"
        );
    });
}

/// The stack of the thread decides, whatever its size, and whatever one send needs of it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_circle_is_refused_on_every_stack_with_every_frame() {
    survives(
        "a_circle_is_refused_on_every_stack_with_every_frame",
        || {
            for stack in [256 << 10, 512 << 10, 2 << 20, 16 << 20] {
                circle_on(stack, circle::<16>);
                circle_on(stack, circle::<4_096>);
                circle_on(stack, circle::<20_000>);
            }
            circle_on(512 << 10, circle::<95_000>);
            circle_on(2 << 20, circle::<95_000>);
            circle_on(8 << 20, circle::<1_000_000>);
        },
    );
}

/// Runs `circle` on a thread with a stack of `stack` bytes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn circle_on(stack: usize, circle: fn()) {
    let thread = thread::Builder::new().stack_size(stack).spawn(circle);
    thread.unwrap().join().unwrap();
}

/// Endless sends whose receiver has `FRAME` bytes on the stack.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn circle<const FRAME: usize>() {
    fn receiver<const FRAME: usize>(_: Sender<'_>, left: &u32) -> u32 {
        let frame = std::hint::black_box([1_u8; FRAME]);
        count(*left, |left| SIGNAL.send(left)[0]) + u32::from(frame[7])
    }
    let connection = SIGNAL.connect(receiver::<FRAME>);
    assert_refused(|| SIGNAL.send(&CIRCLE)[0]);
    connection.disconnect();
}

/// A chain of sends that ends leaves less of the stack than an endless one would need.
#[test]
fn four_sends_with_frames_of_100_kb_work_on_a_stack_of_2_mib() {
    survives(
        "four_sends_with_frames_of_100_kb_work_on_a_stack_of_2_mib",
        || {
            SIGNAL.connect(|_, left| {
                let frame = std::hint::black_box([1_u8; 100_000]);
                count(*left, |left| SIGNAL.send(left)[0]) + u32::from(frame[7]) - 1
            });
            assert_eq!(*SIGNAL.send(&4), [4]);
        },
    );
}

/// Values that a receiver keeps on its stack are not a sign of a circle.
#[test]
fn a_few_sends_with_large_frames_work_where_the_stack_is_large() {
    survives(
        "a_few_sends_with_large_frames_work_where_the_stack_is_large",
        || {
            let large = thread::Builder::new().stack_size(64 << 20);
            let thread = large.spawn(|| {
                SIGNAL.connect(|_, left| {
                    let buffer = std::hint::black_box([1_u8; 1 << 18]);
                    count(*left, |left| SIGNAL.send(left)[0]) + u32::from(buffer[7]) - 1
                });
                assert_eq!(*SIGNAL.send(&10), [10]);
            });
            thread.unwrap().join().unwrap();
        },
    );
}

/// Returns one more than the response for `left`, by way of `send`.
fn count(left: u32, send: impl FnOnce(&u32) -> u32) -> u32 {
    if left == 0 { 0 } else { send(&(left - 1)) + 1 }
}

fn first_response(left: &u32) -> u32 {
    let first = SIGNAL.send_until(left, |_| true);
    first.unwrap().value
}

/// Returns the response, or 0 if the receiver panicked.
fn robust_response(left: &u32) -> u32 {
    let mut results = SIGNAL.send_robust(left).into_iter();
    results.next().unwrap().unwrap_or(0)
}

/// Checks that `send` goes `deep` down, refuses a circle, and works as before after it.
fn goes(deep: u32, send: fn(&u32) -> u32) {
    assert_eq!(send(&deep), deep);
    assert_refused(|| send(&CIRCLE));
    assert_eq!(send(&deep), deep, "after a circle");
}

fn assert_refused(send: impl FnOnce() -> u32 + std::panic::UnwindSafe) {
    let payload = catch_unwind(send).unwrap_err();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let message = text.or(payload.downcast_ref::<&str>().copied()).unwrap();
    assert!(
        message.contains("nested") && message.contains("1000"),
        "said {message:?}"
    );
}

/// Runs `test` on an ordinary thread of another process, which may not end by a signal.
fn survives(name: &str, test: impl FnOnce() + Send + 'static) {
    const CHILD: &str = "FANFARE_NESTING_TEST";
    if env::var(CHILD).is_ok_and(|child| child == name) {
        let thread = thread::Builder::new().stack_size(2 << 20);
        return thread.spawn(test).unwrap().join().unwrap();
    }
    let mut child = Command::new(env::current_exe().unwrap());
    child
        .args(["--exact", &format!("nesting::{name}"), "--nocapture"])
        .env(CHILD, name);
    // A trace of every level at every level takes minutes.
    let child = child.env("RUST_BACKTRACE", "0").output().unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{}\n{said}", child.status);
    let ran = String::from_utf8_lossy(&child.stdout);
    assert!(ran.contains("1 passed"), "{ran}");
}
