//! The mutes that hold, as the tap of a signal has them.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::context::Context;
use super::observer::Described;
use crate::id::ReceiverId;
use crate::sender::{Sender, SenderKey};

/// The runs that a mute leaves out.
#[derive(Clone)]
pub(crate) enum Muted {
    /// All runs of all receivers.
    All,
    /// The runs of a signal, by its number.
    Signal(u64),
    /// The runs in sends of a signal from one sender, or in those without a sender.
    Sender(u64, Option<SenderKey>),
    /// The runs of one receiver, with the number of its signal if that is known.
    Receiver(ReceiverId, Option<u64>),
    /// The runs of the receivers that have this tag.
    Tag(Cow<'static, str>),
}

impl Muted {
    /// Returns `true` if it may be about the signal with this number.
    fn is_about(&self, signal: u64) -> bool {
        match *self {
            Muted::Signal(number) | Muted::Sender(number, _) | Muted::Receiver(_, Some(number)) => {
                number == signal
            }
            Muted::All | Muted::Receiver(_, None) | Muted::Tag(_) => true,
        }
    }
}

/// The subject of a mute in words, such as `the tag "mail"`.
impl fmt::Display for Muted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Muted::All => f.write_str("all receivers"),
            Muted::Signal(number) => write!(f, "signal {number}"),
            Muted::Sender(number, Some(sender)) => write!(f, "sender {sender} of signal {number}"),
            Muted::Sender(number, None) => write!(f, "sends of signal {number} without a sender"),
            Muted::Receiver(receiver, _) => write!(f, "receiver {receiver}"),
            Muted::Tag(tag) => write!(f, "the tag {tag:?}"),
        }
    }
}

/// The sends that a mute concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All sends of the process.
    Process,
    /// The sends of one thread, by its [number](this_thread).
    Thread(u64),
    /// The sends that are caused inside a scope, by its number.
    Scope(u64),
}

/// The reach of a mute in words, such as `on thread 3`.
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reach::Process => f.write_str("everywhere"),
            Reach::Thread(number) => write!(f, "on thread {number}"),
            Reach::Scope(number) => write!(f, "in scope {number}"),
        }
    }
}

/// Returns the number of this thread, which no other thread of the process has or had.
///
/// It is not that of `std`, which a destructor of a thread-local variable may not be able to get.
pub(crate) fn this_thread() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        /// The number, or 0 before the first look at it.
        static OWN: Cell<u64> = const { Cell::new(0) };
    }
    match OWN.get() {
        0 => {
            // Relaxed: each number is another one by the modification order of this counter alone.
            // Row W5.
            let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
            OWN.set(number);
            number
        }
        number => number,
    }
}

/// A mute that holds.
pub(crate) struct MuteRule {
    pub(crate) muted: Muted,
    pub(crate) reach: Reach,
    /// The place in the source where it began.
    pub(crate) location: &'static Location<'static>,
}

impl MuteRule {
    /// Returns `true` if a tap of the signal with this number must have it.
    pub(crate) fn is_about(&self, signal: u64) -> bool {
        self.muted.is_about(signal)
    }

    /// Returns `true` if every signal needs a tap while it holds: it may be about each of them, or
    /// its scope must follow what is caused inside, through signals that are not muted, too.
    pub(crate) fn needs_all_signals(&self) -> bool {
        let is_of_one = match self.muted {
            Muted::Signal(_) | Muted::Sender(..) | Muted::Receiver(_, Some(_)) => true,
            Muted::All | Muted::Receiver(_, None) | Muted::Tag(_) => false,
        };
        !is_of_one || matches!(self.reach, Reach::Scope(_))
    }

    /// Returns `true` if a send by this thread in `context` is in the reach of the mute.
    fn reaches(&self, context: &Context) -> bool {
        match self.reach {
            Reach::Process => true,
            Reach::Thread(number) => number == this_thread(),
            Reach::Scope(number) => context.is_in_scope(number),
        }
    }
}

/// The mute in words: the subject, the reach and the place where it began.
impl fmt::Display for MuteRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MuteRule {
            muted,
            reach,
            location,
        } = self;
        write!(f, "{muted} is muted {reach}, by {location}")
    }
}

/// The mutes that concern one send.
#[derive(Default)]
pub(crate) struct Mutes<'t>(Vec<&'t MuteRule>);

impl<'t> Mutes<'t> {
    /// Returns those of `rules` that concern a send from `sender` by this thread in `context`. The
    /// rules are those of the signal's tap, and `signal` is its number.
    pub(super) fn of(
        rules: &'t [Arc<MuteRule>],
        signal: u64,
        sender: &Sender<'_>,
        context: &Context,
    ) -> Self {
        let rules = rules.iter().map(Arc::as_ref).filter(|rule| {
            let is_sent = match &rule.muted {
                Muted::Sender(_, key) => key.as_ref().map(SenderKey::probe) == sender.probe(),
                _ => true,
            };
            is_sent && rule.is_about(signal) && rule.reaches(context)
        });
        Mutes(rules.collect())
    }

    /// Returns `true` if no mute concerns the send.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the oldest mute that leaves `receiver` out, or `None` if the send reaches it.
    pub(crate) fn mute_of(&self, receiver: &dyn Described) -> Option<&'t MuteRule> {
        let leaves_out = |rule: &&&MuteRule| match &rule.muted {
            Muted::All | Muted::Signal(_) | Muted::Sender(..) => true,
            Muted::Receiver(id, _) => *id == receiver.id(),
            Muted::Tag(tag) => receiver.tags().contains(tag),
        };
        self.0.iter().find(leaves_out).copied()
    }
}
