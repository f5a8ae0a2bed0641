//! What may go to any thread, found out once.

use std::ops::{Deref, DerefMut};

/// A value that is `Send` and `Sync`.
///
/// The compiler takes that from here and does not look inside. There it would ask for
/// `E: Event`; and of what a future holds across an `.await` it asks so for an event with
/// any lifetimes, where only the one with `'static` is an `Event`.
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
