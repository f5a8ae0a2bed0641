//! The keys by which two connections are the same.

use std::any::TypeId;
use std::borrow::Cow;
#[cfg(feature = "testing")]
use std::sync::Arc;
use std::sync::Weak;

use crate::sender::SenderKey;
#[cfg(feature = "testing")]
use crate::tap::scope::Scope;

/// The key by which two connections of a signal are the same.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) receiver: Identified,
    pub(crate) sender: Option<SenderKey>,
    /// The number of the scope of a test that alone has the receiver.
    #[cfg(feature = "testing")]
    pub(crate) scope: Option<u64>,
}

#[cfg(feature = "testing")]
impl Key {
    /// Returns the keys of the same receiver in the scopes around `scope`, from the inside, and
    /// then outside of all scopes.
    pub(crate) fn outwards(&self, scope: &Arc<Scope>) -> impl Iterator<Item = Key> {
        let around = scope.outwards().skip(1).map(|scope| Some(scope.number));
        around.chain([None]).map(|scope| Key {
            receiver: self.receiver.clone(),
            sender: self.sender.clone(),
            scope,
        })
    }
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

    /// Returns the identity of a callable by its type and the target of which it is a method. It
    /// must not outlive `target`: see [`Allocation`].
    pub(crate) fn method<M: 'static, T: ?Sized>(target: &Weak<T>) -> Option<Self> {
        let allocation = Allocation(target.as_ptr().cast::<()>().addr());
        (size_of::<M>() == 0).then(|| Identified::Method(TypeId::of::<M>(), allocation))
    }
}

/// The address of the content of an `Arc`, without the metadata, of which one type may have two.
///
/// It does not keep the address from being used again. The `Weak` of the receiver does, which is in
/// the entry that the writer holds beside the key. A key to search for is beside a `Weak` of its
/// own until the search is over. The counts of an `Arc` are before its content, so the addresses of
/// empty targets differ, too.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Allocation(usize);
