//! The record of a scope of a test: all sends that it causes, and the work that has not ended.

use std::fmt;
use std::mem;
use std::panic::Location;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::cause::{Cause, SendId};
use super::ways::{Outcome, SendWay};
use crate::id::ReceiverId;
use crate::lock::{lock, wait_until};
use crate::sender::SenderKey;

/// The record of one scope.
#[derive(Default)]
pub(crate) struct Record {
    state: Mutex<State>,
    /// Notified when no work is left.
    settled: Condvar,
}

#[derive(Default)]
struct State {
    /// The steps in the order of their starts.
    steps: Vec<Step>,
    /// The number of steps that have not ended.
    open: usize,
    /// The tasks that wait until no work is left.
    wakers: Vec<Waker>,
    /// `true` once the scope has ended. Later steps are not recorded.
    is_closed: bool,
}

/// One step that a scope has caused.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) work: Work,
    pub(crate) cause: Option<Cause>,
    pub(crate) started: Instant,
    pub(crate) ended: Option<(Instant, Outcome)>,
}

/// The work of a step.
#[derive(Clone)]
pub(crate) enum Work {
    Send(SendWork),
    /// A receiver that runs.
    Run(RunWork),
    /// An event that waits in a queue for its receiver.
    #[cfg(feature = "queue")]
    Queued(RunWork),
    /// An event that waits in a `Deferred` for its commit.
    Deferred {
        signal: &'static str,
    },
    /// A receiver that runs on a thread of its own, whether its send waits for it or not.
    #[cfg(feature = "tokio")]
    Elsewhere(RunWork),
}

#[derive(Clone)]
pub(crate) struct SendWork {
    pub(crate) id: SendId,
    /// The number of the signal.
    pub(crate) signal: u64,
    pub(crate) name: String,
    pub(crate) sender: Option<SenderKey>,
    pub(crate) way: SendWay,
}

#[derive(Clone)]
pub(crate) struct RunWork {
    pub(crate) send: SendId,
    pub(crate) receiver: ReceiverId,
    pub(crate) name: String,
    pub(crate) location: &'static Location<'static>,
}

impl Record {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Returns a copy of all steps.
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.lock().steps.clone()
    }

    /// Starts a step, and returns its place, or `None` if the record has ended.
    pub(crate) fn start(&self, work: Work, cause: Option<Cause>) -> Option<usize> {
        let mut state = self.lock();
        if state.is_closed {
            return None;
        }
        state.open += 1;
        state.steps.push(Step {
            work,
            cause,
            started: Instant::now(),
            ended: None,
        });
        Some(state.steps.len() - 1)
    }

    /// Ends the step at `place`.
    pub(crate) fn end(&self, place: usize, outcome: Outcome) {
        let mut state = self.lock();
        state.steps[place].ended = Some((Instant::now(), outcome));
        state.open -= 1;
        if state.open == 0 {
            self.settled.notify_all();
            let wakers = mem::take(&mut state.wakers);
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Returns `true` if the record has ended.
    #[cfg(feature = "testing")]
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Ends the record. Work that goes on is not recorded any more.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
    }

    /// Waits until no work is left. Returns the steps that have not ended if that takes longer.
    pub(crate) fn wait_settled(&self, timeout: Duration) -> Result<(), Vec<Step>> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.lock();
        while state.open > 0 {
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(state.open_steps());
            }
            state = wait_until(&self.settled, state, deadline);
        }
        Ok(())
    }

    /// Returns `true` if no work is left. Otherwise wakes the task when that is so.
    #[cfg(feature = "async")]
    pub(crate) fn poll_settled(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        if state.open > 0 {
            state.wakers.push(waker.clone());
        }
        state.open == 0
    }

    /// Returns the steps that have not ended.
    #[cfg(feature = "async")]
    pub(crate) fn open_steps(&self) -> Vec<Step> {
        self.lock().open_steps()
    }
}

impl State {
    fn open_steps(&self) -> Vec<Step> {
        let open = self.steps.iter().filter(|step| step.ended.is_none());
        open.cloned().collect()
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Work::Send(send) => {
                f.write_str(&send.name)?;
                if let Some(sender) = &send.sender {
                    write!(f, " from {sender}")?;
                }
                match send.way {
                    SendWay::Blocking => Ok(()),
                    way => write!(f, " ({way:?})"),
                }
            }
            Work::Run(run) => write!(f, "-> {run}"),
            #[cfg(feature = "queue")]
            Work::Queued(run) => write!(f, "-> in a queue: {run}"),
            #[cfg(feature = "tokio")]
            Work::Elsewhere(run) => write!(f, "-> on another thread: {run}"),
            Work::Deferred { signal } => write!(f, "{signal}, in a `Deferred`"),
        }
    }
}

impl fmt::Display for RunWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.location)
    }
}
