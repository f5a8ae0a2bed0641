//! A marker for values that may go to any thread, which the compiler checks once.

use std::ops::{Deref, DerefMut};

/// A value that is `Send` and `Sync`.
///
/// The compiler trusts this type and does not check the value inside again. There it would require
/// `E: Event`. For a value that a future holds across an `.await`, it would require that for an
/// event with any lifetimes, although only the event with `'static` is an `Event`.
pub(crate) struct AnyThread<T>(T);

// SAFETY: only `new` makes one, of a value that is `Send`.
unsafe impl<T> Send for AnyThread<T> {}
// SAFETY: only `new` makes one, of a value that is `Sync`.
unsafe impl<T> Sync for AnyThread<T> {}

impl<T: Send + Sync> AnyThread<T> {
    #[inline(always)]
    pub(crate) const fn new(value: T) -> Self {
        AnyThread(value)
    }
}

impl<T> Deref for AnyThread<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for AnyThread<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
