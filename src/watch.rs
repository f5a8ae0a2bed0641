//! Observing the sends of signals.
//!
//! An [`Observer`] sees each send of the signals that it is attached to, each receiver that runs,
//! and each change of their receivers. While no observer is attached to a signal, its sends cost
//! nothing more.
//!
//! ```
//! use fanfare::Signal;
//! use fanfare::watch::{self, ObservedReceiver, ObservedSend, Observer, ReceiverEnd};
//! use std::sync::Mutex;
//!
//! static SAVED: Signal<u32> = Signal::new();
//! static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
//!
//! struct Print;
//!
//! impl Observer for Print {
//!     fn receiver_ended(
//!         &self,
//!         _send: &ObservedSend<'_>,
//!         receiver: &ObservedReceiver<'_>,
//!         end: &ReceiverEnd,
//!     ) {
//!         LINES.lock().unwrap().push(format!("{}: {:?}", receiver.name(), end.outcome));
//!     }
//! }
//!
//! SAVED.options().name("index").connect(|_sender, _id| ());
//! let watch = watch::signal(&SAVED, Print);
//! SAVED.send(&7);
//! drop(watch);
//! SAVED.send(&8);
//! assert_eq!(*LINES.lock().unwrap(), ["index: Returned"]);
//! ```
//!
//! # Exactness
//!
//! A send sees the observers that are in its snapshot. So an observer sees, from start to end, each
//! send that starts after the attaching call has returned, and no send that starts after the
//! detaching. It sees a send that starts in between whole or not at all.
//!
//! # Cost
//!
//! Attaching and detaching publish one table for each signal that is concerned, and take about a
//! microsecond each, however many receivers are connected. While an observer is attached, a send
//! looks at each receiver, and calls the observer twice for each send and for each receiver.

use std::fmt;
use std::sync::Arc;

use crate::event::Event;
use crate::receiver::tapped::info_of;
use crate::signal::Signal;
#[cfg(feature = "testing")]
use crate::tap::keep::{Keep, Keeper};
use crate::tap::observers::Watcher;
use crate::tap::signals::{attach, detach};

pub use crate::dump::{SignalEntry, SignalList, signals};
pub use crate::tap::cause::{Cause, SendId};
pub use crate::tap::context::Context;
pub use crate::tap::disconnected::KeepDisconnected;
pub use crate::tap::durable::stored_cause::{ObservedDelivery, StoredCause};
pub use crate::tap::observer::{
    ObservedReceiver, ObservedSend, Observer, ReceiverChange, ReceiverEnd, SendEnd, SignalInfo,
};
pub use crate::tap::recorded::{RecordedStep, RecordedThread, StepKind};
pub use crate::tap::recorder::Recorder;
#[cfg(feature = "tracing")]
pub use crate::tap::spans::Spans;
pub use crate::tap::ways::{Outcome, SendWay};

/// Attaches an observer to all signals, also to those that are used for the first time later.
///
/// A signal is seen from its first connect on. A send of a signal to which no receiver was ever
/// connected is not seen, unless an observer was attached to that [`signal`].
pub fn all(observer: impl Observer) -> Watch {
    Watch(attach(Box::new(observer), None, None))
}

/// Attaches an observer to one signal.
///
/// Works on a [frozen](Signal::freeze) signal as well. Its sends then take a snapshot while the
/// observer is attached.
pub fn signal<E: Event, R: 'static>(signal: &Signal<E, R>, observer: impl Observer) -> Watch {
    let number = info_of(signal.hub()).number();
    Watch(attach(Box::new(observer), Some(number), None))
}

/// An observer that sees no step. While it is attached, sends know their cause and their scope.
#[cfg(feature = "testing")]
pub(crate) struct Blind;

#[cfg(feature = "testing")]
impl Observer for Blind {
    fn wants_durations(&self) -> bool {
        false
    }

    fn carries_scopes(&self) -> bool {
        true
    }
}

/// Has the sends of one signal know their scope, so that receivers of other scopes do not run.
#[cfg(feature = "testing")]
pub(crate) fn carry_scopes(signal: u64) -> Watch {
    Watch(attach(Box::new(Blind), Some(signal), None))
}

/// Attaches a place for the events of one signal.
#[cfg(feature = "testing")]
pub(crate) fn keep<E: Event, R: 'static>(signal: &Signal<E, R>, keep: Box<dyn Keep<E>>) -> Watch {
    let number = info_of(signal.hub()).number();
    let keeper = Some(Keeper::new(keep));
    Watch(attach(Box::new(Blind), Some(number), keeper))
}

/// The handle of an observer that is attached. The drop detaches the observer.
///
/// The observer itself is dropped when the last send that sees it has ended, and its table has been
/// freed.
#[must_use = "the drop of the handle detaches the observer: keep it, or call `forget`"]
pub struct Watch(Arc<Watcher>);

impl Watch {
    /// Leaves the observer attached until the process ends.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        detach(&self.0);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("signal", &self.0.signal)
            .finish_non_exhaustive()
    }
}
