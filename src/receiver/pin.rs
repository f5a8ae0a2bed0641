//! The target of a weak receiver while a send keeps it alive.

use std::mem;
use std::sync::{Arc, Weak};

/// One count of a target, which is given back when this is dropped.
///
/// It does not name the type of the target, which may be unsized. So it refers to the `Weak` of the
/// receiver, which knows the type, and a send allocates nothing for it.
pub(crate) struct Pinned<'t>(&'t dyn Releases);

/// A reference to a target that does not keep it alive.
trait Releases: Send + Sync {
    /// Gives back a count of the target, and drops the target if it was the last.
    ///
    /// # Safety
    ///
    /// The caller must own a count of the target, and must not use it afterwards.
    unsafe fn release(&self);
}

impl<T: ?Sized + Send + Sync> Releases for Weak<T> {
    unsafe fn release(&self) {
        // SAFETY: `as_ptr` returns the pointer that `Arc::into_raw` returns, because `self` was
        // made from an `Arc`: it could be upgraded. The count that this takes is the caller's.
        unsafe { Arc::decrement_strong_count(self.as_ptr()) };
    }
}

impl<'t> Pinned<'t> {
    /// Keeps `target` alive. Returns `None` if it has died.
    pub(crate) fn of<T: ?Sized + Send + Sync>(target: &'t Weak<T>) -> Option<Self> {
        // The count goes with the returned value.
        mem::forget(target.upgrade()?);
        Some(Pinned(target))
    }

    /// Returns the target, if this is a pin of it.
    #[cfg(feature = "async")]
    pub(crate) fn get<'a, T: ?Sized>(&'a self, target: &'a Weak<T>) -> Option<&'a T> {
        if !std::ptr::addr_eq(self.0, target) {
            return None;
        }
        // SAFETY: `target` is the `Weak` whose target this keeps alive, because both are at one
        // address. So the content lives as long as the borrow of `self`, and `Arc`s give out no
        // exclusive reference to it while the count of `self` and the `Weak` are there.
        Some(unsafe { &*target.as_ptr() })
    }
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        // SAFETY: `of` has forgotten a count, which is released here alone.
        unsafe { self.0.release() };
    }
}
