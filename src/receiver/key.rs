//! What makes two connections the same.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Weak;

use crate::sender::SenderKey;

/// What makes two connections of a signal the same.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) receiver: Identified,
    pub(crate) sender: Option<SenderKey>,
}

/// A receiver's half of the key. The kinds never equal one another.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Identified {
    Uid(Cow<'static, str>),
    /// The type of a callable without state, of which all values are the same.
    Function(TypeId),
    /// Such a callable as the method of one object.
    Method(TypeId, Allocation),
}

impl Identified {
    /// The identity of a callable by its type: `None` if it carries state, for then two
    /// of the type may differ.
    pub(crate) fn function<F: 'static>() -> Option<Self> {
        (size_of::<F>() == 0).then(|| Identified::Function(TypeId::of::<F>()))
    }

    pub(crate) fn method<M: 'static>(target: Weak<dyn Any + Send + Sync>) -> Option<Self> {
        (size_of::<M>() == 0).then(|| Identified::Method(TypeId::of::<M>(), Allocation(target)))
    }
}

/// The identity of an `Arc`'s allocation. Holding it keeps the address from being used
/// again, so what equals it is that allocation and no later one.
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
