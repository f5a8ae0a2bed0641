//! [apache]: https://github.com/fanfare-rs/fanfare/blob/main/LICENSE-APACHE
//! [architecture]: docs::architecture
//! [changelog]: https://github.com/fanfare-rs/fanfare/blob/main/CHANGELOG.md
//! [comparison]: docs::comparison
//! [contributing]: https://github.com/fanfare-rs/fanfare/blob/main/CONTRIBUTING.md
//! [delivery]: docs::delivery
//! [design]: docs::design
//! [django]: docs::django
//! [durable]: docs::durable
//! [fanfare-django]: https://docs.rs/fanfare-django
//! [fanfare-metrics]: https://docs.rs/fanfare-metrics
//! [fanfare-outbox]: https://docs.rs/fanfare-outbox
//! [fanfare-sea-orm]: https://docs.rs/fanfare-sea-orm
//! [fanfare-tower]: https://docs.rs/fanfare-tower
//! [guarantees]: docs::guarantees
//! [mit]: https://github.com/fanfare-rs/fanfare/blob/main/LICENSE-MIT
//! [observing]: docs::observing
//! [orderings]: docs::orderings
//! [performance]: docs::performance
//! [testing]: docs::testing
#![cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../README.md"))]
// The definitions above come first, so rustdoc takes them and a forge takes those of the README.
// Names the feature that each item needs; a nightly Rust is wanted for it.
#![cfg_attr(docsrs, feature(doc_cfg))]
// For `.ci/run realtime`, which has its sanitizer treat each lock as a call that blocks.
#![cfg_attr(fanfare_realtime, feature(sanitize))]
#![deny(missing_docs)]

mod any_thread;
#[cfg(feature = "macros")]
mod apps;
#[cfg(feature = "async")]
mod awaited;
mod batch;
mod connection;
pub mod declared;
pub mod deferred;
pub mod docs;
mod dump;
pub mod error;
mod event;
mod explain;
#[cfg(any(feature = "queue", feature = "rayon", feature = "tokio"))]
mod fork;
mod id;
mod kind;
mod lock;
pub mod mute;
mod nesting;
mod once_arc;
mod panic_report;
#[cfg(feature = "rayon")]
mod parallel;
mod prepare;
#[cfg(feature = "queue")]
pub mod queue;
mod receiver;
mod receiver_panic;
pub mod responses;
mod send;
mod sender;
mod signal;
mod signal_from;
mod stack;
mod statics;
mod table;
mod tap;
#[cfg(feature = "testing")]
pub mod testing;
mod turn;
pub mod watch;

pub use connection::connect_options::ConnectOptions;
pub use connection::handle::{Connection, ScopedConnection};
#[cfg(feature = "macros")]
pub use declared::connect_receivers;
pub use deferred::Deferred;
pub use error::ReceiverPanic;
pub use event::{Event, OwnedEvent};
#[cfg(feature = "macros")]
pub use fanfare_macros::{Event, receiver};
pub use id::ReceiverId;
pub use prepare::prepare_thread;
#[cfg(feature = "queue")]
pub use queue::Queue;
#[cfg(feature = "async")]
pub use receiver::future::BoxFuture;
pub use responses::Responses;
pub use send::emitter::{Emitter, EmitterFrom};
pub use sender::Sender;
pub use sender::identity::Identity;
pub use signal::Signal;
pub use signal_from::SignalFrom;

/// The connections of a signal: handles to many of them, changes of many of them, a look, and the
/// traits of the values that connecting methods take.
///
/// ```
/// use fanfare::Signal;
/// use fanfare::connections::{ConnectionInfo, ReceiverKind};
///
/// static SAVED: Signal<u32> = Signal::new();
/// SAVED.options().sender("shop.Order").priority(7).connect(|_sender, _id| ());
///
/// let connections: Vec<ConnectionInfo> = SAVED.connections();
/// assert_eq!((connections[0].kind, connections[0].priority), (ReceiverKind::Called, 7));
/// ```
pub mod connections {
    pub use crate::connection::changes::Changes;
    pub use crate::connection::handles::{Connections, ScopedConnections};
    pub use crate::connection::look::{purged, unmatched_senders};
    pub use crate::connection::receiver_fn::ReceiverFn;
    pub use crate::connection::target::ConnectTarget;
    pub use crate::explain::Explanation;
    pub use crate::kind::ReceiverKind;
    pub use crate::sender::into_sender::IntoSender;
    pub use crate::tap::info::ConnectionInfo;
    pub use crate::tap::verdict::{ExplainedConnection, NotRun, Verdict};
}

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
