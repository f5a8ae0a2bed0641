#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

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

/// For the expansion of `model_event!`.
#[doc(hidden)]
pub mod __private {
    pub use fanfare::__private::DeclaresSenders;

    pub use crate::model::Models;
}
