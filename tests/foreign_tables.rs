//! Receivers get the events of their own signal and of no other, while tables of one size come and
//! go in several signals, so that the memory of a table that one signal has freed soon holds a
//! table of another.
//!
//! The fault that this looks for takes a sender that stops between two instructions of a load. On
//! Linux a timer stops each sender thousands of times a second.
//!
//! `FANFARE_FOREIGN_SECONDS` sets how long each test runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use fanfare::{Connection, Event, Signal};

const SENDERS: usize = 2;
const CHANGERS: usize = 2;

/// An event that carries the number of its signal.
trait Numbered: for<'a> Event<Args<'a> = Self> + Send + Sync {
    fn new(signal: u64) -> Self;

    /// Reads the first word, which every event here has, so that a receiver can safely be called
    /// with an event of another type.
    fn signal(&self) -> u64;
}

/// Events that have one layout for every `N`.
struct Word<const N: usize>(u64);

impl<const N: usize> Event for Word<N> {
    type Args<'a> = Self;
}

impl<const N: usize> Numbered for Word<N> {
    fn new(signal: u64) -> Self {
        Word(signal)
    }

    fn signal(&self) -> u64 {
        self.0
    }
}

struct Block([u64; 16]);

impl Event for Block {
    type Args<'a> = Self;
}

impl Numbered for Block {
    fn new(signal: u64) -> Self {
        Block([signal; 16])
    }

    fn signal(&self) -> u64 {
        self.0[0]
    }
}

/// A signal, its number, and how often its receivers were called with which events.
struct Line<E: Event> {
    signal: Signal<E>,
    number: u64,
    own: AtomicU64,
    foreign: AtomicU64,
}

impl<E: Numbered> Line<E> {
    const fn new(number: u64) -> Self {
        Line {
            signal: Signal::new(),
            number,
            own: AtomicU64::new(0),
            foreign: AtomicU64::new(0),
        }
    }

    fn send(&self) {
        self.signal.send(&E::new(self.number));
    }

    /// Connects a receiver. It captures `thread`, so that it equals no other.
    fn connect(&'static self, thread: usize) -> Connection {
        self.signal.connect(move |_sender, event| {
            let is_own = event.signal() == self.number && thread <= CHANGERS;
            let calls = if is_own { &self.own } else { &self.foreign };
            calls.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn calls(&self) -> (u64, u64) {
        let calls = |calls: &AtomicU64| calls.load(Ordering::Relaxed);
        (calls(&self.own), calls(&self.foreign))
    }
}

/// Sends and changes from several threads until the time is over or `is_over`.
///
/// Each round of changes passes a freed table on from one signal to the next.
fn run<A: Numbered, B: Numbered>(
    first: &'static Line<A>,
    second: &'static Line<B>,
    send: impl Fn() + Sync,
    is_over: impl Fn() -> bool + Sync,
) {
    let seconds = env::var("FANFARE_FOREIGN_SECONDS").map_or(4, |seconds| seconds.parse().unwrap());
    let start = Instant::now();
    let is_running = || start.elapsed() < Duration::from_secs(seconds) && !is_over();
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                let _stops = stops::start();
                while is_running() {
                    (0..256).for_each(|_| send());
                }
            });
        }
        for thread in 0..CHANGERS {
            let is_running = &is_running;
            scope.spawn(move || {
                while is_running() {
                    let (one, other) = (first.connect(thread), second.connect(thread));
                    assert!(one.disconnect());
                    assert!(other.disconnect());
                }
            });
        }
    });
    println!(
        "{:?} after {:?}",
        (first.calls(), second.calls()),
        start.elapsed()
    );
}

/// The events have one layout. The second signal is never sent.
#[test]
fn receivers_of_a_signal_that_is_never_sent_never_run() {
    static SENT: Line<Word<1>> = Line::new(1);
    static SILENT: Line<Word<2>> = Line::new(2);
    SENT.connect(CHANGERS);
    SILENT.connect(CHANGERS);
    let has_run = || SILENT.calls() != (0, 0);
    run(&SENT, &SILENT, || SENT.send(), has_run);
    assert_eq!(SILENT.calls(), (0, 0), "receivers of the silent signal ran");
    let (own, foreign) = SENT.calls();
    assert_eq!(foreign, 0, "receivers got an event of another signal");
    assert!(own > 0);
}

/// The events differ in layout, and both signals are sent.
#[test]
fn receivers_get_no_event_of_another_layout() {
    static WORDS: Line<Word<3>> = Line::new(3);
    static BLOCKS: Line<Block> = Line::new(4);
    WORDS.connect(CHANGERS);
    BLOCKS.connect(CHANGERS);
    let foreign = || WORDS.calls().1 + BLOCKS.calls().1;
    let send = || {
        WORDS.send();
        BLOCKS.send();
    };
    run(&WORDS, &BLOCKS, send, || foreign() > 0);
    assert_eq!(foreign(), 0, "receivers got an event of another signal");
    assert!(WORDS.calls().0 > 0 && BLOCKS.calls().0 > 0);
}

/// Stops a thread again and again, wherever it is.
#[cfg(target_os = "linux")]
mod stops {
    use std::mem::MaybeUninit;
    use std::ptr;

    const EACH: libc::timespec = libc::timespec {
        tv_sec: 0,
        tv_nsec: 100_000,
    };

    /// The timer of one thread.
    pub(super) struct Stops(libc::timer_t);

    /// Sleeps for as long as the kernel takes for the shortest sleep, about 60 microseconds.
    extern "C" fn sleep(_signal: libc::c_int) {
        let shortest = libc::timespec {
            tv_sec: 0,
            tv_nsec: 1,
        };
        // SAFETY: `nanosleep` may be called in a handler. It reads `shortest` and does not write.
        unsafe { libc::nanosleep(&shortest, ptr::null_mut()) };
    }

    /// Starts to stop this thread, until the result is dropped.
    pub(super) fn start() -> Stops {
        let handler = sleep as extern "C" fn(libc::c_int);
        // SAFETY: the handler calls only `nanosleep`.
        let before = unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
        assert_ne!(before, libc::SIG_ERR);
        // SAFETY: a C struct of numbers and pointers, for which all zeros is a value.
        let mut event: libc::sigevent = unsafe { MaybeUninit::zeroed().assume_init() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGUSR1;
        // SAFETY: the call has no preconditions.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer = ptr::null_mut();
        // SAFETY: both pointers are of variables that live until the call returns.
        let made = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) };
        assert_eq!(made, 0, "a timer for this thread");
        let every = libc::itimerspec {
            it_interval: EACH,
            it_value: EACH,
        };
        // SAFETY: `timer` was made above, and `every` lives until the call returns.
        let set = unsafe { libc::timer_settime(timer, 0, &every, ptr::null_mut()) };
        assert_eq!(set, 0, "the timer starts");
        Stops(timer)
    }

    impl Drop for Stops {
        fn drop(&mut self) {
            // SAFETY: made in `start`, and deleted only here.
            unsafe { libc::timer_delete(self.0) };
        }
    }
}

/// Elsewhere the system alone stops threads.
#[cfg(not(target_os = "linux"))]
mod stops {
    pub(super) struct Stops;

    pub(super) fn start() -> Stops {
        Stops
    }
}
