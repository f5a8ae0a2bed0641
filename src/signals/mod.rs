//! Django's built-in signals, as statics with typed events.
//!
//! Nothing in this crate sends them; each module says who does.

pub mod request;
