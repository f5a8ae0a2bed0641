//! The receivers that `#[receiver]` declares, and the report of `connect_receivers`.
//!
//! ```
//! # #[cfg(feature = "macros")] {
//! use fanfare::declared::ConnectReport;
//! use fanfare::{Sender, Signal, receiver};
//!
//! static SHIPPED: Signal<u32> = Signal::new();
//!
//! #[receiver(SHIPPED, sender = "shop.Order")]
//! fn index(_sender: Sender<'_>, _id: &u32) {}
//!
//! let report: ConnectReport = fanfare::connect_receivers();
//! let entry = report.entries().iter().find(|entry| entry.signal == "SHIPPED").unwrap();
//! assert_eq!(entry.sender.as_deref(), Some(r#""shop.Order""#));
//! assert!(entry.is_new);
//! # }
//! ```
// * `app`: the crates that `apps!` names.
// * `registry`: the declared receivers of a program, and their report.
// * `candidate`: the connect of one declared receiver, and the hooks for the crate of its event.
// * `queued`: receivers that run on a queue.
// * `instance`: receivers that take the instance of an event in the place of the sender.

#[cfg(feature = "macros")]
pub(crate) mod app;
pub(crate) mod candidate;
pub(crate) mod instance;
#[cfg(feature = "queue")]
mod queued;
#[cfg(feature = "macros")]
pub(crate) mod registry;

#[cfg(feature = "macros")]
pub use registry::{ConnectReport, ReportEntry, connect_receivers};
