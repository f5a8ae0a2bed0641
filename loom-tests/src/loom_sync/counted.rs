//! `Arc` and `Weak` as std has them, over loom.
//!
//! loom's own `Arc` has no `Weak`, and does not try a clone against the last drop.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::atomic::AtomicBool as PlainBool;
use std::thread::panicking;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering, fence};

/// The part that the handles share. Its memory lives as long as the execution uses it. The model
/// checks the life of the value.
struct Shared<T> {
    strong: AtomicUsize,
    value: UnsafeCell<ManuallyDrop<T>>,
    dropped: PlainBool,
}

// SAFETY: as for std's `Arc`; every access to the value is checked by loom.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

pub(crate) struct Arc<T> {
    shared: std::sync::Arc<Shared<T>>,
    /// False for an alias, which somebody else's count keeps alive.
    counted: bool,
}

impl<T> Arc<T> {
    pub(crate) fn new(value: T) -> Self {
        Arc {
            shared: std::sync::Arc::new(Shared {
                strong: AtomicUsize::new(1),
                value: UnsafeCell::new(ManuallyDrop::new(value)),
                dropped: PlainBool::new(false),
            }),
            counted: true,
        }
    }

    pub(crate) fn as_ptr(this: &Self) -> *const T {
        std::sync::Arc::as_ptr(&this.shared).cast()
    }

    /// The handle as a pointer. Its memory is never freed after this, so that a model that fails
    /// finds memory that it must not use.
    pub(crate) fn into_raw(this: Self) -> *const T {
        if !this.counted {
            // What `from_raw` makes of the pointer gives up a count.
            Arc::lend(&this);
        }
        let this = ManuallyDrop::new(this);
        std::sync::Arc::into_raw(std::sync::Arc::clone(&this.shared)).cast()
    }

    /// # Safety
    ///
    /// `handle` is of `into_raw`.
    pub(crate) unsafe fn from_raw(handle: *const T) -> Self {
        let shared: *const Shared<T> = handle.cast();
        // SAFETY: it is of `into_raw`, which has left a count.
        unsafe { std::sync::Arc::increment_strong_count(shared) };
        Arc {
            // SAFETY: the count is from the line above.
            shared: unsafe { std::sync::Arc::from_raw(shared) },
            counted: true,
        }
    }

    pub(crate) fn strong_count(this: &Self) -> usize {
        // Not a load, which might be stale. Acquire, as in std's `get_mut`.
        this.shared.strong.fetch_add(0, Ordering::Acquire)
    }

    pub(crate) fn downgrade(this: &Self) -> Weak<T> {
        Weak {
            shared: std::sync::Arc::clone(&this.shared),
        }
    }

    /// Returns `Some` if this is the only handle, which an alias never is. std returns the value.
    pub(crate) fn get_mut(this: &mut Self) -> Option<()> {
        // A read-modify-write, as in `Weak::upgrade`.
        let is_only = this.counted && this.shared.strong.fetch_add(0, Ordering::Acquire) == 1;
        is_only.then_some(())
    }

    /// The memory of the value, to be used again when it has been dropped.
    pub(crate) fn place(this: &Self) -> Place<T> {
        Place(std::sync::Arc::clone(&this.shared))
    }

    /// A handle that is not counted.
    pub(super) fn alias(this: &Self) -> Self {
        Arc {
            shared: std::sync::Arc::clone(&this.shared),
            counted: false,
        }
    }

    /// Counts one more, for a handle that [`adopt`](Arc::adopt) makes.
    pub(super) fn lend(this: &Self) {
        let before = this.shared.strong.fetch_add(1, Ordering::Relaxed);
        assert!(before > 0, "counted again after the last count had gone");
    }

    /// The handle to a count that there is already.
    pub(super) fn adopt(mut this: Self) -> Self {
        this.counted = true;
        this
    }

    /// Leaves the count to the handle that adopts it.
    pub(super) fn disown(mut this: Self) -> Self {
        this.counted = false;
        this
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        Arc::lend(self);
        Arc::adopt(Arc::alias(self))
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        assert!(
            !self.shared.dropped.load(Ordering::Relaxed),
            "used after it was dropped"
        );
        // SAFETY: only the last count drops the value; loom checks that this comes before.
        self.shared.value.with(|value| unsafe { &*value })
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        // In a panic the model has failed, and loom is no longer there to count.
        if !self.counted || panicking() || self.shared.strong.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        let dropped = self.shared.dropped.swap(true, Ordering::Relaxed);
        assert!(!dropped, "dropped twice");
        self.shared.value.with_mut(|value| {
            // SAFETY: this was the last count; loom checks that every use comes before.
            let value = unsafe { &mut *value };
            // SAFETY: not used again, and none was dropped before, as asserted.
            unsafe { ManuallyDrop::drop(value) }
        });
    }
}

/// The memory of a value. Nothing else is ever made at an address that was used, unless by this.
pub(crate) struct Place<T>(std::sync::Arc<Shared<T>>);

impl<T> Place<T> {
    /// Makes another value at the same address.
    pub(crate) fn reuse(self, value: T) -> Arc<T> {
        let was_dropped = self.0.dropped.swap(false, Ordering::Relaxed);
        assert!(was_dropped, "reused before it was dropped");
        self.0.value.with_mut(|place| {
            // SAFETY: the value before has been dropped; loom checks that every use came before.
            unsafe { place.write(ManuallyDrop::new(value)) }
        });
        // Relaxed: a thread that sees the address sees this, by the store that publishes it.
        self.0.strong.store(1, Ordering::Relaxed);
        Arc {
            shared: self.0,
            counted: true,
        }
    }
}

pub(crate) struct Weak<T> {
    shared: std::sync::Arc<Shared<T>>,
}

impl<T> Weak<T> {
    pub(crate) fn upgrade(&self) -> Option<Arc<T>> {
        let strong = &self.shared.strong;
        // Instead of a load, so that loom sees every access as one that may change it.
        let mut count = match strong.compare_exchange(0, 0, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return None,
            Err(count) => count,
        };
        loop {
            match strong.compare_exchange(count, count + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    return Some(Arc {
                        shared: std::sync::Arc::clone(&self.shared),
                        counted: true,
                    });
                }
                Err(0) => return None,
                Err(other) => count = other,
            }
        }
    }

    pub(crate) fn strong_count(&self) -> usize {
        // As in `upgrade`.
        self.shared.strong.fetch_add(0, Ordering::Relaxed)
    }
}

impl<T> Clone for Weak<T> {
    fn clone(&self) -> Self {
        Weak {
            shared: std::sync::Arc::clone(&self.shared),
        }
    }
}
