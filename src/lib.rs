#![cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../README.md"))]
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
mod declared;
mod deferred;
mod error;
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
mod queue;
mod receiver;
mod receiver_panic;
mod responses;
mod send;
mod sender;
mod signal;
mod stack;
mod table;
mod turn;

pub use connection::connect_options::{ConnectOptions, ConnectionInfo, Prepared};
pub use connection::handle::{Connection, ScopedConnection};
pub use deferred::{CommitReport, Deferred, Savepoint, SavepointError};
pub use error::{ConnectError, DisconnectError, Failure, HeldBy, TrySendError, WaitError};
pub use event::{Event, OwnedEvent};
pub use id::ReceiverId;
pub use prepare::prepare_thread;
#[cfg(feature = "queue")]
pub use queue::{
    Overflow, Queue, QueueAnswer, QueueBuilder, QueueError, QueueStats, QueueWaitError,
    QueuedOptions, ShutdownReport, Undelivered,
};
#[cfg(feature = "async")]
pub use receiver::future::BoxFuture;
pub use receiver::kind::ReceiverKind;
pub use responses::{Response, Responses, RobustIntoIter, RobustResponses};
pub use send::emitter::Emitter;
pub use sender::Sender;
pub use sender::identity::Identity;
pub use signal::Signal;

#[cfg(feature = "macros")]
pub use declared::registry::{ConnectReport, ReportEntry, connect_receivers};
#[cfg(feature = "macros")]
pub use fanfare_macros::{Event, receiver};

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

/// The documents, for their examples.
#[cfg(all(doctest, feature = "macros"))]
mod documents {
    #[doc = include_str!("../ARCHITECTURE.md")]
    struct Architecture;
    #[cfg(all(
        feature = "async",
        feature = "queue",
        feature = "rayon",
        feature = "tokio"
    ))]
    #[doc = include_str!("../docs/delivery.md")]
    struct Delivery;
    #[doc = include_str!("../docs/design.md")]
    struct Design;
    #[doc = include_str!("../docs/django.md")]
    struct Django;
    #[doc = include_str!("../docs/guarantees.md")]
    struct Guarantees;
    #[doc = include_str!("../docs/performance.md")]
    struct Performance;
}
