//! `disconnect_and_wait`, called from inside a send.

use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use crate::blocked::{LONG, blocking};
use fanfare::error::WaitError;
use fanfare::{Connection, Signal};

type Plain = Signal<()>;

/// A wait that is to run out.
const SHORT: Duration = Duration::from_millis(30);

#[test]
fn from_the_receiver_itself_it_refuses() {
    static SIGNAL: Signal<(), Option<WaitError>> = Signal::new();
    static OWN: OnceLock<Connection> = OnceLock::new();
    OWN.set(SIGNAL.connect(|_, ()| OWN.get()?.disconnect_and_wait(LONG).err()))
        .unwrap();
    assert_eq!(*SIGNAL.send(&()), [Some(WaitError::InsideSend)]);
    assert!(
        !OWN.get().unwrap().is_connected(),
        "it is disconnected all the same"
    );
    assert_eq!(
        OWN.get().unwrap().disconnect_and_wait(Duration::ZERO),
        Ok(()),
        "after the send it may"
    );
}

#[test]
fn from_a_sibling_in_the_same_send_it_refuses() {
    static SIGNAL: Signal<(), Option<WaitError>> = Signal::new();
    static SIBLINGS: Mutex<Vec<Connection>> = Mutex::new(Vec::new());
    let before = SIGNAL.connect(|_, ()| None);
    SIGNAL.connect(|_, ()| {
        SIBLINGS
            .lock()
            .unwrap()
            .pop()?
            .disconnect_and_wait(LONG)
            .err()
    });
    let after = SIGNAL.options().sender("a").connect(|_, ()| None);
    SIBLINGS.lock().unwrap().extend([before, after]);
    let refused = Some(WaitError::InsideSend);
    assert_eq!(*SIGNAL.from("a").send(&()), [None, refused, None]);
    assert_eq!(*SIGNAL.from("a").send(&()), [None, refused]);
    assert_eq!(*SIGNAL.from("a").send(&()), [None]);
}

#[test]
fn from_a_nested_send_of_another_signal_it_refuses() {
    static OUTER: Signal<(), Option<WaitError>> = Signal::new();
    static INNER: Signal<(), Option<WaitError>> = Signal::new();
    static OUTERMOST: OnceLock<Connection> = OnceLock::new();
    OUTERMOST
        .set(OUTER.connect(|_, ()| INNER.send(&())[0]))
        .unwrap();
    INNER.connect(|_, ()| OUTERMOST.get()?.disconnect_and_wait(LONG).err());
    assert_eq!(*OUTER.send(&()), [Some(WaitError::InsideSend)]);
    assert_eq!(
        *INNER.send(&()),
        [None],
        "outside of the outer send nothing is in the way"
    );
}

#[test]
fn from_a_nested_send_of_the_same_signal_it_refuses() {
    static SIGNAL: Signal<u32, Option<WaitError>> = Signal::new();
    static OWN: OnceLock<Connection> = OnceLock::new();
    OWN.set(SIGNAL.connect(|_, left| match *left {
        0 => {
            OWN.get()?.disconnect();
            SIGNAL.connect(|_, _| OWN.get()?.disconnect_and_wait(LONG).err());
            SIGNAL.send(&9)[0]
        }
        left => SIGNAL.send(&(left - 1))[0],
    }))
    .unwrap();
    assert_eq!(
        *SIGNAL.send(&3),
        [Some(WaitError::InsideSend)],
        "only the outer sends hold it"
    );
}

#[test]
fn every_way_of_sending_is_noticed() {
    static SIGNAL: Signal<(), Option<WaitError>> = Signal::new();
    static CURRENT: Mutex<Option<Connection>> = Mutex::new(None);
    fn refused() -> Option<WaitError> {
        let connection = CURRENT.lock().unwrap().clone()?;
        connection.disconnect_and_wait(LONG).err()
    }
    let ways: [fn() -> Option<WaitError>; 6] = [
        || SIGNAL.send(&())[0],
        || SIGNAL.send_robust(&()).into_iter().next()?.ok()?,
        || SIGNAL.send_until(&(), |_| true)?.value,
        || {
            SIGNAL
                .send_until(&(), |_| refused() == Some(WaitError::InsideSend))?
                .value
        },
        || SIGNAL.emitter().send(&())[0],
        || {
            SIGNAL
                .emitter()
                .send_each(&(), |_, value| std::ops::ControlFlow::Break(value))
                .break_value()?
        },
    ];
    for (way, send) in ways.iter().enumerate() {
        let connection = SIGNAL.connect(|_, ()| refused());
        *CURRENT.lock().unwrap() = Some(connection);
        assert_eq!(send(), Some(WaitError::InsideSend), "way {way}");
        assert_eq!(refused(), None, "way {way} left something behind");
    }
}

/// The wait is refused only for receivers that are still held: these are gone as soon as they are
/// disconnected.
#[test]
fn inside_a_send_a_wait_may_be_for_receivers_that_the_send_does_not_hold() {
    static SIGNAL: Plain = Plain::new();
    static OTHER: Plain = Plain::new();
    static OUTCOMES: Mutex<Vec<Result<(), WaitError>>> = Mutex::new(Vec::new());
    SIGNAL.connect(|_, ()| {
        let stranger = OTHER.connect(|_, ()| ());
        let late = SIGNAL.connect(|_, ()| ());
        let outcomes = [stranger, late].map(|connection| connection.disconnect_and_wait(LONG));
        OUTCOMES.lock().unwrap().extend(outcomes);
    });
    SIGNAL.send(&());
    assert_eq!(*OUTCOMES.lock().unwrap(), [Ok(()), Ok(())]);
}

/// A response that is dropped because a later receiver panicked is dropped inside the send.
#[test]
fn the_responses_of_a_failing_send_are_inside_it() {
    static SIGNAL: fanfare::Signal<(), AtDrop> = fanfare::Signal::new();
    static LAST: OnceLock<Connection> = OnceLock::new();
    static OUTCOME: Mutex<Option<Result<(), WaitError>>> = Mutex::new(None);
    SIGNAL.connect(|_, ()| {
        AtDrop(Some(Box::new(|| {
            let outcome = LAST.get().unwrap().disconnect_and_wait(SHORT);
            *OUTCOME.lock().unwrap() = Some(outcome);
        })))
    });
    LAST.set(SIGNAL.connect(|_, ()| panic!("later"))).unwrap();
    assert!(std::panic::catch_unwind(|| drop(SIGNAL.send(&()))).is_err());
    assert_eq!(*OUTCOME.lock().unwrap(), Some(Err(WaitError::InsideSend)));
}

/// The receivers of a shutdown end those of other signals, and wait for their runs.
#[test]
fn inside_a_send_it_may_wait_for_a_run_on_another_thread() {
    static WORK: Plain = Plain::new();
    static SHUTDOWN: Plain = Plain::new();
    let (receiver, blocked) = blocking(|| ());
    let worker = WORK.connect(receiver);
    let work = thread::spawn(|| WORK.send(&()).len());
    blocked.wait_until_it_runs();
    let blocked = Mutex::new(blocked);
    let outcomes: Arc<Mutex<Vec<Result<(), WaitError>>>> = Arc::default();
    let told = Arc::clone(&outcomes);
    SHUTDOWN.connect(move |_, ()| {
        let early = worker.disconnect_and_wait(SHORT);
        blocked.lock().unwrap().let_go();
        told.lock()
            .unwrap()
            .extend([early, worker.disconnect_and_wait(LONG)]);
    });
    SHUTDOWN.send(&());
    assert_eq!(work.join().unwrap(), 1);
    let outcomes = outcomes.lock().unwrap();
    assert!(
        matches!(outcomes[..], [Err(WaitError::Timeout { .. }), Ok(())]),
        "{outcomes:?}"
    );
}

/// Two threads, each in a receiver that waits for the other's, of another signal: both give up,
/// neither hangs.
#[test]
fn two_that_wait_for_each_other_both_give_up() {
    static LEFT: Plain = Plain::new();
    static RIGHT: Plain = Plain::new();
    static CONNECTIONS: OnceLock<[Connection; 2]> = OnceLock::new();
    static OUTCOMES: Mutex<Vec<WaitError>> = Mutex::new(Vec::new());
    let met = Arc::new(std::sync::Barrier::new(2));
    let parted = Arc::new(std::sync::Barrier::new(2));
    let connections = [&LEFT, &RIGHT].map(|signal| {
        let (met, parted) = (Arc::clone(&met), Arc::clone(&parted));
        let other = usize::from(std::ptr::eq(signal, &LEFT));
        signal.connect(move |_, ()| {
            met.wait();
            let error = CONNECTIONS.get().unwrap()[other]
                .disconnect_and_wait(SHORT)
                .unwrap_err();
            OUTCOMES.lock().unwrap().push(error);
            parted.wait();
        })
    });
    CONNECTIONS.set(connections).unwrap();
    let sends = [&LEFT, &RIGHT].map(|signal| thread::spawn(|| signal.send(&()).len()));
    for send in sends {
        assert_eq!(send.join().unwrap(), 1);
    }
    assert!(matches!(
        OUTCOMES.lock().unwrap()[..],
        [WaitError::Timeout { .. }, WaitError::Timeout { .. }]
    ));
}

/// Both are on their way out, on this very thread: waiting would be for itself.
#[test]
fn the_destructor_of_one_does_not_time_out_on_its_sibling() {
    static SIGNAL: Plain = Plain::new();
    let removals: [fn(Plain); 3] = [
        |signal| assert_eq!(signal.disconnect_all(), 2),
        drop,
        |_| {
            SIGNAL.connect(|_, ()| assert_eq!(SIGNAL.disconnect_all(), 3));
            SIGNAL.send(&());
            SIGNAL.purge();
        },
    ];
    for (way, remove) in removals.into_iter().enumerate() {
        let own = Plain::new();
        let signal = if way == 2 { &SIGNAL } else { &own };
        let outcomes: Arc<Mutex<Vec<Result<(), WaitError>>>> = Arc::default();
        let handles: [Arc<OnceLock<Connection>>; 2] = Default::default();
        for (index, handle) in handles.iter().enumerate() {
            let (sibling, outcomes) = (Arc::clone(&handles[1 - index]), Arc::clone(&outcomes));
            let guard = Mutex::new(AtDrop(Some(Box::new(move || {
                let outcome = sibling.get().unwrap().disconnect_and_wait(SHORT);
                outcomes.lock().unwrap().push(outcome);
            }))));
            let connection =
                signal.connect(move |_, ()| assert!(guard.lock().unwrap().0.is_some()));
            handle.set(connection).unwrap();
        }
        remove(own);
        let outcomes = outcomes.lock().unwrap();
        assert_eq!(outcomes.len(), 2, "way {way}");
        let in_vain = outcomes
            .iter()
            .any(|outcome| matches!(outcome, Err(WaitError::Timeout { .. })));
        assert!(!in_vain, "way {way}: {outcomes:?}");
    }
}

struct AtDrop(Option<Box<dyn FnOnce() + Send>>);

impl Drop for AtDrop {
    fn drop(&mut self) {
        if let Some(last) = self.0.take() {
            last();
        }
    }
}
