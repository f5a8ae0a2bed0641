//! The instance that a receiver may change while the operation waits for the receiver.

use std::any::{Any, type_name};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, ThreadId};

/// A value that an emitter lends to the receivers of one send, which may change it.
pub(super) struct Lent<'a> {
    value: Mutex<&'a mut (dyn Any + Send)>,
    /// The thread that holds the lock, if a receiver's guard holds it.
    holder: Mutex<Option<ThreadId>>,
}

impl<'a> Lent<'a> {
    pub(super) fn new(value: &'a mut (dyn Any + Send)) -> Self {
        Lent {
            value: Mutex::new(value),
            holder: Mutex::new(None),
        }
    }

    /// Returns the value, if it is a `T`.
    #[track_caller]
    pub(super) fn get<T: Any>(&self) -> Option<InstanceMut<'_, 'a, T>> {
        let value = match self.value.try_lock() {
            Ok(value) => value,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                // If this thread held the lock already, it would have written its id.
                assert!(
                    *self.lock_holder() != Some(thread::current().id()),
                    "this receiver already holds the instance as {}: drop the first guard before it \
                     asks for another",
                    type_name::<T>()
                );
                self.value.lock().unwrap_or_else(PoisonError::into_inner)
            }
        };
        if !value.is::<T>() {
            return None;
        }
        *self.lock_holder() = Some(thread::current().id());
        Some(InstanceMut {
            value,
            lent: &self.holder,
            of: PhantomData,
        })
    }

    /// Calls `change` with the value, if it is a `T`, and returns its result.
    #[track_caller]
    pub(super) fn with<T: Any, O>(&self, change: impl FnOnce(&mut T) -> O) -> Option<O> {
        self.get().map(|mut value| change(&mut value))
    }

    fn lock_holder(&self) -> MutexGuard<'_, Option<ThreadId>> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guard of an instance that is about to be written, or of a set that is about to be applied.
///
/// A receiver changes the value through the guard. The value is locked as long as the guard lives.
/// The guard is not `Send`, so that an async receiver cannot keep it over an `.await`: the other
/// receivers of the send would wait for it. Such a receiver uses
/// [`PreSave::with_instance`](super::PreSave::with_instance) or the same method of another event,
/// before the `.await` and after it. A second guard on the same thread panics and does not wait
/// forever.
pub struct InstanceMut<'e, 'a, T> {
    value: MutexGuard<'e, &'a mut (dyn Any + Send)>,
    lent: &'e Mutex<Option<ThreadId>>,
    of: PhantomData<T>,
}

impl<T: Any> Deref for InstanceMut<'_, '_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
            .downcast_ref()
            .expect("the type was checked when the guard was made")
    }
}

impl<T: Any> DerefMut for InstanceMut<'_, '_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value
            .downcast_mut()
            .expect("the type was checked when the guard was made")
    }
}

impl<T> Drop for InstanceMut<'_, '_, T> {
    fn drop(&mut self) {
        // It clears its id before it releases the lock. Otherwise it would delete the id of the
        // next holder.
        *self.lent.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl<T: Any + fmt::Debug> fmt::Debug for InstanceMut<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
