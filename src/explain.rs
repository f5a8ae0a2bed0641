//! The reasons for which a send would run a receiver, or would not.

use std::fmt;

#[cfg(feature = "async")]
use crate::awaited::walk::refused_for;
use crate::event::Event;
use crate::receiver::Table;
use crate::receiver::explained::explained;
use crate::receiver::tapped::info_of;
use crate::sender::Sender;
use crate::sender::into_sender::IntoSender;
use crate::signal::Signal;
use crate::signal_from::SignalFrom;
use crate::tap::declaration::declaration_of;
use crate::tap::disconnected::kept_of;
use crate::tap::durable::receivers::durable_of;
use crate::tap::verdict::{ExplainedConnection, NotRun};

/// The connections of a signal, each with the verdict on it. [`Signal::explain`] returns it.
///
/// It displays as a headline and a line for each connection, with the verdict first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Explanation {
    /// The name of the signal, as [`SignalInfo::name`](crate::watch::SignalInfo::name) returns it.
    pub signal: String,
    /// The sender of the send, in words.
    pub sender: String,
    /// The connections in the order of their calls, then the durable receivers of fanfare-outbox,
    /// and then those that were disconnected and that an observer
    /// [keeps](crate::watch::KeepDisconnected).
    pub connections: Vec<ExplainedConnection>,
}

impl Explanation {
    /// Returns the number of receivers that would run.
    pub fn would_run(&self) -> usize {
        let verdicts = self.connections.iter().map(|it| &it.verdict);
        verdicts.filter(|verdict| verdict.would_run()).count()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} from {}: {} of {} receivers would run",
            self.signal,
            self.sender,
            self.would_run(),
            self.connections.len()
        )?;
        let mut connections = self.connections.iter();
        connections.try_for_each(|connection| write!(f, "\n  {connection}"))
    }
}

/// # Explaining
impl<E: Event, R: 'static> Signal<E, R> {
    /// Explains for each connection whether a send from `sender` would run its receiver, and why
    /// not.
    ///
    /// The explanation is about a [`send`](Signal::send) that starts now on this thread. It runs no
    /// receiver and changes nothing: a receiver that may run once still may, and `sender` does not
    /// count as one that has sent. It needs no observer, and works on a
    /// [frozen](Signal::freeze) signal as well.
    ///
    /// ```
    /// use fanfare::Signal;
    /// use std::sync::Arc;
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    ///
    /// SAVED.options().name("log").connect(|_sender, _id| ());
    /// SAVED.options().name("bill").sender("shop.Order").connect(|_sender, _id| ());
    /// SAVED.options().name("cache").connect_weak(&Arc::new(7), |_seven, _sender, _id| ());
    ///
    /// let explanation = SAVED.explain("shop.Basket");
    /// let lines: Vec<String> = explanation.to_string().lines().map(str::to_owned).collect();
    /// assert_eq!(lines[0], "u32 from \"shop.Basket\": 1 of 3 receivers would run");
    /// assert!(lines[1].starts_with("  would run: log (#"));
    /// let bill = "  would not run: connected for another sender, \"shop.Order\": bill (#";
    /// assert!(lines[2].starts_with(bill));
    /// assert!(lines[3].starts_with("  would not run: its target has died: cache (#"));
    /// ```
    ///
    /// # Limitations
    ///
    /// * Receivers that have been disconnected, or taken out because they had ended, are listed
    ///   only if an observer [keeps](crate::watch::KeepDisconnected) them.
    /// * `send_until` and `send_until_err` stop at a response, and the panic of a receiver ends a
    ///   `send`. Such an end depends on receivers, so an explanation cannot foresee it. The
    ///   connections are in the order of their calls, so that only those above can be the cause.
    /// * An async send is not refused, and so runs receivers whose verdict is
    ///   [`NotRun::Refused`](crate::connections::NotRun::Refused).
    pub fn explain<'a>(&self, sender: impl IntoSender<'a>) -> Explanation {
        let sender = sender.into_sender();
        let mut connections = self.with_table(Vec::new(), |table| {
            let mut connections = explained(table, &sender);
            if let Some(refusal) = refusal(table, &sender) {
                let would_run = connections.iter_mut().filter(|it| it.verdict.would_run());
                would_run.for_each(|it| it.verdict = refusal.clone().into());
            }
            connections
        });
        if let Some(hub) = self.hub.get() {
            let number = info_of(hub).number();
            connections.extend(durable_of(number));
            connections.extend(kept_of(number));
        }
        Explanation {
            signal: self.name().to_owned(),
            sender: sender.to_string(),
            connections,
        }
    }

    /// Returns the name of the static, if it is declared, or that of the type of the events.
    pub(crate) fn name(&self) -> &'static str {
        let declaration = declaration_of(std::ptr::from_ref(self).addr());
        declaration.map_or(std::any::type_name::<E>(), |it| it.name)
    }
}

impl<E: Event, R: 'static> SignalFrom<'_, '_, E, R> {
    /// Explains for each connection whether a send from this sender would run its receiver: see
    /// [`Signal::explain`].
    pub fn explain(&self) -> Explanation {
        self.signal.explain(self.sender)
    }
}

/// Returns the reason for which the whole send would be refused, if there is one.
fn refusal<E: Event, R: 'static>(table: &Table<E, R>, sender: &Sender<'_>) -> Option<NotRun> {
    #[cfg(feature = "async")]
    return refused_for(&table.peek(sender), sender).map(|entry| NotRun::Refused {
        receiver: entry.name().into_owned(),
        connected_at: entry.about().location,
    });
    #[cfg(not(feature = "async"))]
    {
        let _ = (table, sender);
        None
    }
}
