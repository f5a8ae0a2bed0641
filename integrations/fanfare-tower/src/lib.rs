#![cfg_attr(any(feature = "tokio", not(doctest)), doc = include_str!("../README.md"))]
#![deny(missing_docs)]

// Each module imports only modules that are named before it: `error`, `send` (one send), `followed`
// (one request and its signals), `body` and `future` (of its response), `layer`.

mod body;
mod error;
mod followed;
mod future;
mod layer;
mod send;

pub use body::SignalBody;
pub use error::{AsError, Boxed, Plain, RequestError};
pub use future::SignalFuture;
pub use layer::{SignalLayer, SignalService};
