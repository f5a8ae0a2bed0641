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

/// The return type of receivers that can abort the operation, as an exception does in Django.
///
/// `?` converts any error to it, and `"why".into()` makes an error. A receiver that cannot fail
/// ends with `Ok(())`.
pub type ReceiverResult = Result<(), Box<dyn Error + Send + Sync>>;

/// Returns the value that an event shares, if it is a `T`.
fn downcast<T: Any>(it: &(dyn Any + Sync)) -> Option<&T> {
    let it: &dyn Any = it;
    it.downcast_ref()
}

/// Items for the expansion of `model_event!`.
#[doc(hidden)]
pub mod __private {
    pub use fanfare::__private::DeclaresSenders;

    pub use crate::model::Models;
}
