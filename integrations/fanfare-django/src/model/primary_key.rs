//! The primary key of an instance, whatever its type.

use std::any::Any;
use std::fmt;

/// The primary key of an instance, in the type that the emitter has.
///
/// It displays as text, so that a receiver for all models can print it. With `fanfare-sea-orm` the
/// type is `RowKey`.
///
/// ```
/// use fanfare_django::model::PrimaryKey;
///
/// let key = PrimaryKey::new(&7_i32);
/// assert_eq!(key.to_string(), "7");
/// assert_eq!(key.downcast_ref::<i32>(), Some(&7));
/// assert_eq!(key.downcast_ref::<u64>(), None);
/// ```
#[derive(Clone, Copy)]
pub struct PrimaryKey<'a>(&'a dyn Key);

trait Key: fmt::Display + fmt::Debug + Sync {
    fn as_any(&self) -> &dyn Any;
}

impl<K: Any + fmt::Display + fmt::Debug + Sync> Key for K {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<'a> PrimaryKey<'a> {
    /// Makes the primary key of a value, for an emitter.
    pub const fn new<K: Any + fmt::Display + fmt::Debug + Sync>(key: &'a K) -> Self {
        PrimaryKey(key)
    }

    /// Returns the emitter's value, if it is a `K`.
    pub fn downcast_ref<K: Any>(&self) -> Option<&'a K> {
        self.0.as_any().downcast_ref()
    }
}

impl fmt::Display for PrimaryKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)
    }
}

impl fmt::Debug for PrimaryKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}
