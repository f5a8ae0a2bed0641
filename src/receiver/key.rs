//! The keys by which two connections are the same.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Weak;

use crate::sender::SenderKey;

/// The key by which two connections of a signal are the same.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) receiver: Identified,
    pub(crate) sender: Option<SenderKey>,
}

/// A receiver's half of the key. Keys of different kinds are never equal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Identified {
    Uid(Cow<'static, str>),
    /// The type of a callable without state. All values of such a type are the same.
    Function(TypeId),
    /// The type of a callable without state as the method of one object, and the object.
    Method(TypeId, Allocation),
}

impl Identified {
    /// Returns the identity of a callable by its type. Returns `None` if the callable carries
    /// state, because two of the type may then differ.
    pub(crate) fn function<F: 'static>() -> Option<Self> {
        (size_of::<F>() == 0).then(|| Identified::Function(TypeId::of::<F>()))
    }

    pub(crate) fn method<M: 'static>(target: Weak<dyn Any + Send + Sync>) -> Option<Self> {
        (size_of::<M>() == 0).then(|| Identified::Method(TypeId::of::<M>(), Allocation(target)))
    }
}

/// The identity of an `Arc`'s allocation. Holding it keeps the address from being used again, so
/// only that allocation, and no later one, is equal to it.
#[derive(Clone)]
pub(crate) struct Allocation(Weak<dyn Any + Send + Sync>);

impl PartialEq for Allocation {
    fn eq(&self, other: &Self) -> bool {
        Weak::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Allocation {}

impl Hash for Allocation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_ptr().cast::<()>().hash(state);
    }
}
