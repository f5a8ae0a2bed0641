//! The list of all signals, for people and for tools.
//!
//! * here: the list.
//! * `listed`: one signal of it.
//! * `text`, `json`, `dot`, `mermaid`: its formats.

mod dot;
mod json;
mod listed;
mod mermaid;
mod text;

use std::fmt;
use std::ops::Deref;
use std::vec;

pub use listed::SignalEntry;

#[cfg(feature = "macros")]
use crate::tap::declaration;
use crate::tap::signals;
#[cfg(feature = "macros")]
use crate::tap::signals::Member;

/// The signals of the program. [`watch::signals`](crate::watch::signals) returns it.
///
/// It displays as a line for each signal and a line for each of its receivers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct SignalList(Vec<SignalEntry>);

/// Returns the signals that are in use, and those that [`signals!`](crate::signals) declares,
/// sorted by name.
///
/// A signal is in use from its first connect, freeze or emitter on until it is dropped. Each entry
/// is of one moment, and the entries are of different moments. The call holds no lock of a signal,
/// so that sends, connects and disconnects go on.
///
/// ```
/// # #[cfg(feature = "macros")] {
/// use fanfare::watch;
///
/// fanfare::signals! {
///     /// Sent when an order has been shipped.
///     pub static SHIPPED: Signal<u32>;
///     /// Sent when an order has been returned.
///     pub static RETURNED: Signal<u32, bool>;
/// }
/// # use fanfare::Signal;
///
/// SHIPPED.options().name("index").sender("shop.Order").connect(|_sender, _id| ());
///
/// let signals = watch::signals();
/// let shipped = signals.iter().find(|signal| signal.name.ends_with("::SHIPPED")).unwrap();
/// assert_eq!((shipped.event, shipped.connections.len()), ("u32", 1));
/// let returned = signals.iter().find(|signal| signal.name.ends_with("::RETURNED")).unwrap();
/// assert_eq!((returned.response, returned.number), ("bool", None));
/// println!("{signals}");
/// # }
/// ```
pub fn signals() -> SignalList {
    let in_use = signals::in_use();
    let entries = in_use.iter().filter_map(|member| {
        let signal = member.hub.upgrade()?;
        Some(SignalEntry::in_use(&member.info, &*signal))
    });
    #[cfg_attr(
        not(feature = "macros"),
        allow(unused_mut, reason = "none are declared")
    )]
    let mut entries: Vec<_> = entries.collect();
    #[cfg(feature = "macros")]
    entries.extend(unused(&in_use));
    entries.sort_by(|a, b| (&a.name, a.number).cmp(&(&b.name, b.number)));
    SignalList(entries)
}

/// Returns the declared signals that are not in use.
#[cfg(feature = "macros")]
fn unused(in_use: &[Member]) -> impl Iterator<Item = SignalEntry> {
    let used = in_use.iter().filter_map(|member| member.info.declaration);
    let used: std::collections::HashSet<_> = used.map(std::ptr::from_ref).collect();
    declaration::declared()
        .filter(move |it| !used.contains(&std::ptr::from_ref(*it)))
        .map(SignalEntry::unused)
}

impl SignalList {
    /// Returns the list as JSON. `docs/signals.schema.json` is its schema, and `version` is 1. A
    /// later version has a greater number if it removes or changes a property.
    ///
    /// ```
    /// let json = fanfare::watch::signals().to_json();
    /// assert!(json.starts_with(r#"{"version":1,"signals":["#));
    /// ```
    pub fn to_json(&self) -> String {
        json::json(self)
    }

    /// Returns the list as a graph for Graphviz: the signals, and an arrow to each receiver with
    /// the sender that it is connected for.
    ///
    /// ```
    /// let dot = fanfare::watch::signals().to_dot();
    /// assert!(dot.starts_with("digraph signals {"));
    /// ```
    pub fn to_dot(&self) -> String {
        dot::dot(self)
    }

    /// Returns the list as a flowchart for Mermaid, as [`to_dot`](SignalList::to_dot) does.
    ///
    /// ```
    /// let mermaid = fanfare::watch::signals().to_mermaid();
    /// assert!(mermaid.starts_with("flowchart LR\n"));
    /// ```
    pub fn to_mermaid(&self) -> String {
        mermaid::mermaid(self)
    }
}

impl fmt::Display for SignalList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(f, self)
    }
}

impl Deref for SignalList {
    type Target = [SignalEntry];

    fn deref(&self) -> &[SignalEntry] {
        &self.0
    }
}

impl IntoIterator for SignalList {
    type Item = SignalEntry;
    type IntoIter = vec::IntoIter<SignalEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<SignalEntry> for SignalList {
    /// Makes a list of some of the entries, for example those of one crate.
    fn from_iter<I: IntoIterator<Item = SignalEntry>>(entries: I) -> Self {
        SignalList(entries.into_iter().collect())
    }
}
