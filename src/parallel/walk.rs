//! The send whose receivers run on the threads of a pool.

use std::any::{Any, type_name};
use std::convert::Infallible;
use std::iter::Peekable;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rayon::iter::{
    IndexedParallelIterator, IntoParallelRefIterator, IntoParallelRefMutIterator, ParallelIterator,
};
use smallvec::SmallVec;

#[cfg(feature = "async")]
use crate::awaited::walk::{drive, refuse_on_an_executor};
use crate::event::Event;
use crate::fork::Birth;
use crate::lock::lock;
use crate::nesting::{self, Running};
use crate::panic_report;
use crate::receiver::{Entry, Hub, Selection};
use crate::responses::{Responses, RobustResponses};
use crate::send::robust::Outcomes;
use crate::send::walk::walk;
use crate::sender::Sender;
use crate::tap::ways::SendWay;
use crate::turn::catch;
use crate::turn::discards::Discards;
use crate::turn::live::{Group, Pins, for_each_live};
use crate::turn::observation::Observation;
use crate::turn::opening::open;
use crate::turn::watching::{Unwatched, Watching};

/// The least number of receivers to be called for which a send goes to the pool.
///
/// Two receivers gain by it if each takes 20 µs, and eight if each takes 5 µs, so the number alone
/// is not enough to decide. To go there without a gain costs about 12 µs. To stay here without a
/// gain costs the time of a receiver, and receivers that are sent to in parallel are slow.
const FEWEST: usize = 2;
/// The number of receivers that a send lists without allocating.
const LISTED: usize = 64;

/// Sends, and keeps every response, or, if `ROBUST`, every outcome.
pub(crate) fn collect<E, R, const ROBUST: bool>(
    hub: &Hub<E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> RobustResponses<R>
where
    E: Event,
    R: Send + 'static,
    for<'x> E::Args<'x>: Sync,
{
    let sent = open(
        hub,
        || hub.snapshot(),
        sender,
        |discards, selection| {
            let mut outcomes = Outcomes::<_, _, ROBUST>::of(selection, sender, event);
            let _ = if is_worth_it(selection) {
                refuse_after_fork::<E>();
                #[cfg(feature = "async")]
                refuse_on_an_executor(selection, sender);
                match Observation::tap_of(selection) {
                    None => fan_out(hub, discards, selection, &mut outcomes, &Unwatched),
                    Some(tap) => {
                        let observation = Observation::start(
                            tap,
                            selection,
                            sender,
                            slice::from_ref(event),
                            SendWay::Parallel,
                        );
                        let done = fan_out(hub, discards, selection, &mut outcomes, &observation);
                        observation.end();
                        done
                    }
                }
            } else {
                walk(discards, selection, sender, event, &mut outcomes)
            };
            outcomes.responses
        },
    );
    sent.unwrap_or_else(RobustResponses::new)
}

/// Returns `true` if the pool would run receivers of `selection` side by side.
fn is_worth_it<E: Event, R: 'static>(selection: &Selection<'_, E, R>) -> bool {
    let called = |entry: &&Entry<E, R>| !entry.about().kind().is_special();
    selection.iter().filter(called).nth(FEWEST - 1).is_some() && rayon::current_num_threads() > 1
}

/// Refuses a send whose pool was used before a fork.
///
/// # Panics
///
/// Panics if a parallel send used the pool before this process was forked, because the threads of
/// the pool do not exist here.
fn refuse_after_fork<E: Event>() {
    thread_local! {
        /// The birth of the pool that this thread belongs to.
        static OWN: Birth = Birth::now();
    }
    /// The birth of rayon's global pool, which a process makes once.
    static GLOBAL: OnceLock<Birth> = OnceLock::new();

    let pool = match rayon::current_thread_index() {
        Some(_) => OWN.with(|birth| *birth),
        None => *GLOBAL.get_or_init(Birth::now),
    };
    assert!(
        !pool.is_before_fork(),
        "a signal of `{}` was sent with `send_parallel` in a child of `fork`, where the threads of \
         the rayon pool do not exist: send inside of `install` of a pool that is made after the \
         fork, or use `send`; no receiver has run",
        type_name::<E>()
    );
}

/// Walks the receivers as [`walk`] does, and calls them on the pool. It is a function of its own
/// because of its large frame.
#[inline(never)]
fn fan_out<E, R, W, const ROBUST: bool>(
    hub: &Hub<E, R>,
    discards: &mut Discards<'_, E, R>,
    selection: &Selection<'_, E, R>,
    outcomes: &mut Outcomes<'_, '_, E, R, ROBUST>,
    watching: &W,
) -> ControlFlow<Infallible>
where
    W: Watching + Sync,
    E: Event,
    R: Send + 'static,
    for<'x> E::Args<'x>: Sync,
{
    let (sender, event) = (outcomes.sender, outcomes.event);
    let pins = Pins::of(selection, discards);
    let mut receivers = SmallVec::<[&Entry<E, R>; LISTED]>::with_capacity(selection.len());
    let group = Group::Called;
    for_each_live(
        selection,
        &pins,
        discards,
        group,
        watching,
        |entry, _, _| {
            receivers.push(entry);
            ControlFlow::Continue(())
        },
    )?;

    let panics = Panics::default();
    // A receiver that has been claimed runs, because no other send will run it.
    let is_skipped = |at: usize, receiver: &Entry<E, R>| {
        !ROBUST && panics.is_after_one(at) && receiver.about().options.limit().is_none()
    };
    let mut handed = watching.handed();
    let mut hand_over = |at: usize, receiver: &Entry<E, R>| {
        if is_skipped(at, receiver) {
            return None;
        }
        let turn = W::turn(receiver, &mut handed);
        panics.catch(at, || turn.take(sender, event))
    };
    let call = |at: usize, receiver: &Entry<E, R>| {
        if is_skipped(at, receiver) {
            return None;
        }
        // This is not counted as a send inside others, because the send that it is part of has been
        // counted.
        let _running = (!nesting::is_inside(hub)).then(|| Running::unchecked(hub));
        panics.catch(at, || {
            watching.run(receiver, || receiver.call(sender, event))
        })
    };
    let is_queued = |receiver: &Entry<E, R>| receiver.about().kind().is_queued();
    // If responses are only counted, there are no places for them.
    let mut responses = Vec::new();
    if !Responses::<R>::ONLY_COUNTED {
        responses.resize_with(receivers.len(), || None);
    }
    for (at, receiver) in receivers.iter().enumerate() {
        if is_queued(receiver) {
            let response = hand_over(at, receiver);
            if let Some(place) = responses.get_mut(at) {
                *place = response;
            }
        }
    }
    // They are taken one by one, so that a slow receiver keeps no other from a thread that is free.
    if Responses::<R>::ONLY_COUNTED {
        let calls = receivers.par_iter().enumerate().with_max_len(1);
        calls.for_each(|(at, receiver)| {
            if !is_queued(receiver) {
                call(at, receiver);
            }
        });
        let panics = panics.in_order::<E, R, ROBUST>(&receivers);
        let responses = Responses::counted(receivers.len() - panics.len());
        keep_all(&mut outcomes.responses, &receivers, responses, panics);
    } else {
        let calls = receivers.par_iter().zip(responses.par_iter_mut());
        let calls = calls.enumerate().with_max_len(1);
        calls.for_each(|(at, (receiver, place))| {
            if !is_queued(receiver) {
                *place = call(at, receiver);
            }
        });
        let panics = panics.in_order::<E, R, ROBUST>(&receivers);
        let responses = responses.into_iter().flatten();
        keep_all(&mut outcomes.responses, &receivers, responses, panics);
    }
    #[cfg(feature = "async")]
    drive(
        selection, &pins, discards, sender, event, outcomes, watching,
    )?;
    ControlFlow::Continue(())
}

type Panic = Box<dyn Any + Send>;

/// The panics of receivers, each with its receiver's place.
struct Panics {
    /// The least of the places.
    first: AtomicUsize,
    all: Mutex<Vec<(usize, Panic)>>,
}

impl Default for Panics {
    fn default() -> Self {
        Panics {
            first: AtomicUsize::new(usize::MAX),
            all: Mutex::default(),
        }
    }
}

impl Panics {
    /// Returns `true` if a receiver before the one at `at` has panicked.
    fn is_after_one(&self, at: usize) -> bool {
        // Relaxed: a receiver that runs because this load comes late counts as one that had
        // started. Row P1.
        self.first.load(Ordering::Relaxed) < at
    }

    /// Runs the receiver at `at`. Returns `None` if it panics.
    fn catch<R>(&self, at: usize, run: impl FnOnce() -> R) -> Option<R> {
        let panic = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(response) => return Some(response),
            Err(panic) => panic,
        };
        // Relaxed: no data is read because of it, and the panics are behind the lock. Row P1.
        self.first.fetch_min(at, Ordering::Relaxed);
        let mut all = lock(&self.all);
        all.push((at, panic));
        None
    }

    /// Returns all panics, in the order of the receivers. If not `ROBUST`, the result is empty: the
    /// first panic travels, and the others are reported.
    fn in_order<E: Event, R: 'static, const ROBUST: bool>(
        self,
        receivers: &[&Entry<E, R>],
    ) -> Vec<(usize, Panic)> {
        let mut all = self
            .all
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        all.sort_unstable_by_key(|(at, _)| *at);
        if ROBUST || all.is_empty() {
            return all;
        }
        let mut all = all.into_iter();
        let (_, first) = all.next().expect("it is not empty");
        for (at, panic) in all {
            let receiver = receivers[at];
            panic_report::receiver_panicked(receiver.id(), &receiver.name(), &*panic);
            panic_report::discard(panic);
        }
        resume_unwind(first)
    }
}

/// Notes the outcome of each receiver: its panic, or else the next response.
fn keep_all<E: Event, R: 'static>(
    responses: &mut RobustResponses<R>,
    receivers: &[&Entry<E, R>],
    returned: impl IntoIterator<Item = R>,
    panics: Vec<(usize, Panic)>,
) {
    let mut panics: Peekable<_> = panics.into_iter().peekable();
    let mut returned = returned.into_iter();
    for (at, receiver) in receivers.iter().enumerate() {
        let outcome = match panics.next_if(|(place, _)| *place == at) {
            Some((_, panic)) => Err(panic),
            None => Ok(returned
                .next()
                .expect("a receiver that did not panic has responded")),
        };
        catch::keep(responses, receiver, outcome);
    }
}
