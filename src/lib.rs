//! [apache]: https://github.com/fanfare-rs/fanfare/blob/main/LICENSE-APACHE
//! [architecture]: docs::architecture
//! [changelog]: https://github.com/fanfare-rs/fanfare/blob/main/CHANGELOG.md
//! [comparison]: docs::comparison
//! [contributing]: https://github.com/fanfare-rs/fanfare/blob/main/CONTRIBUTING.md
//! [delivery]: docs::delivery
//! [design]: docs::design
//! [django]: docs::django
//! [fanfare-django]: https://docs.rs/fanfare-django
//! [fanfare-sea-orm]: https://docs.rs/fanfare-sea-orm
//! [fanfare-tower]: https://docs.rs/fanfare-tower
//! [guarantees]: docs::guarantees
//! [mit]: https://github.com/fanfare-rs/fanfare/blob/main/LICENSE-MIT
//! [orderings]: docs::orderings
//! [performance]: docs::performance
#![cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../README.md"))]
// The definitions above come first, so rustdoc takes them and a forge takes those of the README.
// Names the feature that each item needs; a nightly Rust is wanted for it.
#![cfg_attr(docsrs, feature(doc_cfg))]
// For `.ci/run realtime`, which has its sanitizer treat each lock as a call that blocks.
#![cfg_attr(fanfare_realtime, feature(sanitize))]
#![deny(missing_docs)]

mod any_thread;
#[cfg(feature = "async")]
mod awaited;
mod batch;
mod connection;
pub mod declared;
pub mod deferred;
pub mod docs;
pub mod error;
mod event;
#[cfg(any(feature = "queue", feature = "rayon", feature = "tokio"))]
mod fork;
mod id;
mod lock;
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
mod table;
mod turn;

pub use connection::connect_options::ConnectOptions;
pub use connection::handle::{Connection, ScopedConnection};
#[cfg(feature = "macros")]
pub use declared::connect_receivers;
pub use deferred::Deferred;
pub use error::{ReceiverError, ReceiverPanic};
pub use event::{Event, OwnedEvent};
#[cfg(feature = "macros")]
pub use fanfare_macros::{Event, receiver};
pub use id::ReceiverId;
pub use prepare::prepare_thread;
#[cfg(feature = "queue")]
pub use queue::Queue;
#[cfg(feature = "async")]
pub use receiver::future::BoxFuture;
pub use responses::{Responses, RobustResponses};
pub use send::emitter::{Emitter, EmitterFrom};
pub use sender::Sender;
pub use sender::identity::Identity;
pub use signal::Signal;
pub use signal_from::SignalFrom;

/// The connections of a signal, and receivers that are prepared for a connection.
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
    pub use crate::connection::connect_options::{ConnectionInfo, Prepared};
    pub use crate::receiver::kind::ReceiverKind;
}

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
