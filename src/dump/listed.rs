//! One signal of the list.

use std::panic::Location;

#[cfg(feature = "macros")]
use crate::tap::declaration;
use crate::tap::info::ConnectionInfo;
use crate::tap::observer::SignalInfo;
use crate::tap::signals::Tapped;

/// A signal in a [`SignalList`](crate::watch::SignalList).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SignalEntry {
    /// The number of the signal, which observers see as
    /// [`SignalInfo::number`](crate::watch::SignalInfo::number), or `None` if the signal has not
    /// been used.
    pub number: Option<u64>,
    /// The module and the name of the static, or the name of the type of its events if
    /// [`signals!`](crate::signals) does not declare the signal.
    pub name: String,
    /// The name of the type of its events.
    pub event: &'static str,
    /// The name of the type of its responses.
    pub response: &'static str,
    /// `true` if [`signals!`](crate::signals) declares it.
    pub declared: bool,
    /// The file of the declaration or, without one, of the first connect.
    pub file: Option<&'static str>,
    /// The line in that file.
    pub line: Option<u32>,
    /// The place where the signal was frozen, if it was.
    #[cfg_attr(feature = "serde", serde(serialize_with = "place"))]
    pub frozen_at: Option<&'static Location<'static>>,
    /// The connections, in the order of their calls.
    pub connections: Vec<ConnectionInfo>,
}

/// Serializes a place as a text.
#[cfg(feature = "serde")]
fn place<S: serde::Serializer>(
    place: &Option<&'static Location<'static>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match place {
        Some(place) => serializer.collect_str(place),
        None => serializer.serialize_none(),
    }
}

impl SignalEntry {
    pub(super) fn in_use(info: &SignalInfo, signal: &dyn Tapped) -> Self {
        let place = info.place();
        SignalEntry {
            number: Some(info.number()),
            name: info.name().to_owned(),
            event: info.event_type(),
            response: info.response_type(),
            declared: info.declaration.is_some(),
            file: place.map(|(file, _)| file),
            line: place.map(|(_, line)| line),
            frozen_at: signal.freeze_place(),
            connections: signal.connections(),
        }
    }

    #[cfg(feature = "macros")]
    pub(super) fn unused(declaration: &declaration::Declaration) -> Self {
        let properties = declaration.properties();
        SignalEntry {
            number: None,
            name: declaration.name.to_owned(),
            event: properties.event,
            response: properties.response,
            declared: true,
            file: Some(declaration.file),
            line: Some(declaration.line),
            frozen_at: None,
            connections: Vec::new(),
        }
    }
}
