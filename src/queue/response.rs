//! The response of a receiver that runs later.

use super::error::Error;

/// The responses that a signal can have for receivers that have not run when the send returns.
///
/// The trait is implemented for `()`, for `Option<T>` (the response is `None`) and for
/// `Result<T, X>`, if `T` has a default and `X` can be made from an [`Error`]. With a `Result`, a
/// send returns the error of an event that its queue refused.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the response of a queued receiver, which runs after the send has returned",
    label = "this signal's receivers must respond at once",
    note = "signals with the response `()`, `Option<T>`, or `Result<T, X>` with `T: Default` and `X: From<fanfare::queue::Error>` have queued receivers"
)]
pub trait Response: Sized {
    /// Returns the response of a receiver whose event is in the queue, or was dropped by the
    /// queue's policy.
    fn accepted() -> Self;

    /// Returns the response of a receiver whose event the queue refused.
    fn refused(error: Error) -> Self;
}

impl Response for () {
    fn accepted() -> Self {}

    fn refused(_error: Error) -> Self {}
}

impl<T> Response for Option<T> {
    fn accepted() -> Self {
        None
    }

    fn refused(_error: Error) -> Self {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<T: Default, X: From<Error>> Response for Result<T, X> {
    fn accepted() -> Self {
        Ok(T::default())
    }

    fn refused(error: Error) -> Self {
        Err(error.into())
    }
}
