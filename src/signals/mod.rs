//! Django's built-in signals, as statics with typed events.
//!
//! Nothing in this crate sends them; each module says who does.

use std::any::Any;
use std::error::Error;

pub mod auth;
pub mod db;
pub mod management;
pub mod model;
pub mod request;
pub mod test;
pub mod transaction;

/// What receivers answer where an error of theirs stops what is under way, as an exception does
/// in Django. `?` takes any error there, and `"why".into()` makes one; a receiver that cannot fail
/// ends with `Ok(())`.
pub type Answer = Result<(), Box<dyn Error + Send + Sync>>;

/// What an event shares, if it is a `T`.
fn downcast<T: Any>(it: &(dyn Any + Sync)) -> Option<&T> {
    let it: &dyn Any = it;
    it.downcast_ref()
}
