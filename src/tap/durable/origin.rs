//! The origin of a durable event, which is stored with it: the process in which it was sent, and
//! the receiver that caused it.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::receivers;
use super::stored_cause::StoredCause;
use crate::id::ReceiverId;
use crate::lock::lock;
use crate::tap::cause::{Cause, SendId};
use crate::tap::context::Context;
use crate::tap::scope::Scope;
use crate::tap::signals;

/// The number of receivers whose names are kept.
const NAMES: usize = 1_024;
/// The number of deliveries whose roots are kept.
const ROOTS: usize = 4_096;

/// The origin of an event that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The process in which the event was sent.
    pub process: String,
    /// The receiver that sent the event, if it was observed.
    pub cause: Option<StoredCause>,
    /// The number of the scope of a test in which the event was sent.
    pub scope: Option<u64>,
}

impl Origin {
    /// Returns the origin of an event that this thread sends now, or `None` outside of observed
    /// receivers and of scopes of tests. Costs a few loads then.
    pub fn current() -> Option<Self> {
        Self::of(&Context::of_thread()?)
    }

    fn of(context: &Context) -> Option<Self> {
        let scope = context.recorded_number();
        if context.cause.is_none() && scope.is_none() {
            return None;
        }
        let process = this_process();
        let cause = context.cause.map(|cause| {
            let Named { signal, receiver } = name_of(cause.receiver);
            let (root_process, root) = match lock(&ROOTS_ELSEWHERE).get(&cause.root) {
                Some((process, root)) => (String::from(&**process), *root),
                None => (process.clone(), cause.root.number()),
            };
            StoredCause {
                process: process.clone(),
                send: cause.send.number(),
                signal: signal.to_string(),
                receiver: receiver.to_string(),
                root_process,
                root,
                receiver_id: cause.receiver.number(),
            }
        });
        Some(Origin {
            process,
            cause,
            scope,
        })
    }

    /// Returns the context of a delivery of the event: the cause and the scope, if they are of this
    /// process. `fallback` has the scope otherwise.
    pub(crate) fn context(origin: Option<&Self>, fallback: &Context) -> Context {
        let here = origin.filter(|origin| origin.process == this_process());
        let scope = here.and_then(|origin| Scope::find(origin.scope?));
        Context {
            cause: here.and_then(|origin| cause_here(origin.cause.as_ref()?)),
            scope: scope.or_else(|| fallback.scope.clone()),
        }
    }
}

/// Returns `true` if the cause is one of this process.
pub(crate) fn is_here(cause: &StoredCause) -> bool {
    cause.process == this_process()
}

/// Returns the cause, which is one of this process.
fn cause_here(stored: &StoredCause) -> Option<Cause> {
    let send = SendId::of(stored.send)?;
    // If the chain began in another process, the send is the first one of this process.
    let root = SendId::of(stored.root).filter(|_| stored.root_process == stored.process);
    Some(Cause {
        send,
        root: root.unwrap_or(send),
        receiver: ReceiverId::of(stored.receiver_id),
    })
}

/// Returns the identity of this process, which a child of `fork` does not share.
fn this_process() -> String {
    /// A random number of the process. It is 0 before the first use.
    static RANDOM: AtomicU64 = AtomicU64::new(0);
    // Relaxed: only the value counts. Of two threads, the first decides. Row W7.
    let mut random = RANDOM.load(Ordering::Relaxed);
    if random == 0 {
        let fresh = RandomState::new().build_hasher().finish() | 1;
        let set = RANDOM.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed);
        random = set.err().unwrap_or(fresh);
    }
    format!("{}-{random:016x}", process::id())
}

/// The names of a receiver and of its signal.
#[derive(Clone)]
struct Named {
    signal: Arc<str>,
    receiver: Arc<str>,
}

/// The names of receivers that have caused durable events.
static NAMES_BY_ID: Mutex<Option<HashMap<ReceiverId, Named>>> = Mutex::new(None);

/// Returns the names of a receiver. A look through all signals finds them once.
fn name_of(receiver: ReceiverId) -> Named {
    let known = |names: &Option<HashMap<_, Named>>| names.as_ref()?.get(&receiver).cloned();
    if let Some(named) = known(&lock(&NAMES_BY_ID)) {
        return named;
    }
    let Some((signal, receiver_name)) = look_for(receiver) else {
        // It has been disconnected.
        return Named {
            signal: "a signal".into(),
            receiver: format!("receiver {receiver}").into(),
        };
    };
    let named = Named {
        signal: signal.into(),
        receiver: receiver_name.into(),
    };
    let mut names = lock(&NAMES_BY_ID);
    let names = names.get_or_insert_default();
    if names.len() == NAMES {
        names.clear();
    }
    names.insert(receiver, named.clone());
    named
}

/// Returns the names of the signal and of the receiver.
fn look_for(receiver: ReceiverId) -> Option<(String, String)> {
    receivers::name_of(receiver).or_else(|| {
        let mut members = signals::in_use().into_iter();
        members.find_map(|member| {
            let name = member.hub.upgrade()?.name_of(receiver)?;
            Some((member.info.name().to_owned(), name))
        })
    })
}

/// The first sends of chains that began in another process, by the delivery with which each came
/// here. The oldest is forgotten first.
static ROOTS_ELSEWHERE: Mutex<BTreeMap<SendId, (Arc<str>, u64)>> = Mutex::new(BTreeMap::new());

/// Notes the first send of a chain that began in another process, if `cause` is of one. The first
/// send of the chain in this process is `here`.
pub(crate) fn note_root(here: SendId, cause: &StoredCause) {
    if cause.root_process == this_process() {
        return;
    }
    let mut roots = lock(&ROOTS_ELSEWHERE);
    roots.insert(here, (cause.root_process.as_str().into(), cause.root));
    if roots.len() > ROOTS {
        roots.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(send: u64, root: u64) -> Cause {
        Cause {
            send: SendId::of(send).unwrap(),
            root: SendId::of(root).unwrap(),
            receiver: ReceiverId::of(0),
        }
    }

    fn origin(cause: Cause) -> Origin {
        let context = Context {
            cause: Some(cause),
            scope: None,
        };
        Origin::of(&context).unwrap()
    }

    fn here(origin: &Origin) -> Option<Cause> {
        Origin::context(Some(origin), &Context::default()).cause
    }

    #[test]
    fn a_cause_of_this_process_is_found_again() {
        let cause = cause(9, 7);
        let stored = origin(cause);
        assert_eq!(here(&stored), Some(cause));
        assert_eq!(stored.cause.unwrap().receiver, "receiver #0");
    }

    #[test]
    fn a_cause_of_another_process_is_not_taken_for_one_of_this_process() {
        let mut stored = origin(cause(9, 7));
        stored.process = "1-0000000000000001".to_owned();
        assert_eq!(here(&stored), None);
    }

    #[test]
    fn a_chain_that_began_elsewhere_keeps_its_root() {
        let (delivery, nested) = (u64::MAX - 1, u64::MAX);
        let mut elsewhere = origin(cause(9, 7)).cause.unwrap();
        elsewhere.root_process = "1-0000000000000001".to_owned();
        note_root(SendId::of(delivery).unwrap(), &elsewhere);
        let stored = origin(cause(nested, delivery));
        let root = here(&stored).map(|cause| cause.root);
        assert_eq!(root, SendId::of(nested), "the first send of this process");
        let stored = stored.cause.unwrap();
        assert_eq!(
            (stored.root_process.as_str(), stored.root),
            ("1-0000000000000001", 7)
        );
        assert_ne!(stored.process, stored.root_process);
    }
}
