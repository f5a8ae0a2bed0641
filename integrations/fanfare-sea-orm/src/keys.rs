//! Primary keys in the types that receivers get.

use std::fmt;
use std::mem;

use sea_orm::Value;
use sea_orm::sea_query::{ValueTuple, ValueType};

/// The primary key of a row, of one column or of several: the type inside
/// [`PostSave::pk`](fanfare_django::model::PostSave::pk) and its siblings.
///
/// It displays as its value without quotes, such as `7`. A key of several columns displays as
/// `(7, en)`.
///
/// ```
/// use fanfare_sea_orm::RowKey;
/// use sea_orm::sea_query::ValueTuple;
///
/// let key = RowKey::from(ValueTuple::One(7.into()));
/// assert_eq!(key.get(), Some(7_i32));
/// assert_eq!(key.get::<String>(), None);
/// assert_eq!(key.to_string(), "7");
///
/// let of_two = RowKey::from(ValueTuple::Two(7.into(), "en".into()));
/// assert_eq!(of_two.get::<i32>(), None);
/// assert_eq!(of_two.to_string(), "(7, en)");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RowKey(ValueTuple);

impl RowKey {
    /// Returns the value of a key of one column, if it is a `T`.
    pub fn get<T: ValueType>(&self) -> Option<T> {
        match &self.0 {
            ValueTuple::One(value) => T::try_from(value.clone()).ok(),
            _ => None,
        }
    }

    /// Returns the values, in the order of the columns.
    pub fn values(&self) -> &ValueTuple {
        &self.0
    }
}

impl From<ValueTuple> for RowKey {
    fn from(values: ValueTuple) -> Self {
        RowKey(values)
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ValueTuple::One(value) = &self.0 {
            return f.write_str(&text(value));
        }
        let values: Vec<_> = self.0.iter().map(text).collect();
        write!(f, "({})", values.join(", "))
    }
}

/// Returns a value in the form that it has in SQL, without quotes.
fn text(value: &Value) -> String {
    if let Value::String(Some(text)) = value {
        return text.to_string();
    }
    let text = value.to_string();
    let inside = text.strip_prefix('\'').and_then(|it| it.strip_suffix('\''));
    inside.map(ToOwned::to_owned).unwrap_or(text)
}

/// The primary key of an instance, in the place of the instance or beside it.
///
/// [`M2mChanged::instance`](fanfare_django::model::M2mChanged::instance) has it if the instance
/// itself is not at hand, and beside the instance otherwise.
///
/// Two keys are equal if their values are. Integers are equal whatever their types, because the
/// entity's key may have another type than the junction's.
#[derive(Clone, Debug)]
pub struct Pk(pub Value);

impl PartialEq for Pk {
    fn eq(&self, other: &Pk) -> bool {
        is_equal(&self.0, &other.0)
    }
}

/// The primary keys at the other end of a many-to-many relation, in
/// [`M2mChanged::pk_set`](fanfare_django::model::M2mChanged::pk_set).
///
/// Each key is in it once, in the order in which the keys were given. Integers are compared by
/// value, whatever their types. To read keys, name their type:
///
/// ```
/// # use fanfare_sea_orm::PkSet;
/// # fn read(pks: &PkSet) {
/// let ids: Vec<i32> = pks.iter().map(|pk| pk.clone().unwrap()).collect();
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct PkSet(pub(crate) Vec<Value>);

impl PartialEq for PkSet {
    fn eq(&self, other: &PkSet) -> bool {
        let mut pairs = self.iter().zip(other.iter());
        self.len() == other.len() && pairs.all(|(one, other)| is_equal(one, other))
    }
}

impl PkSet {
    /// Returns `true` if the key is in the set.
    ///
    /// # Panics
    ///
    /// Panics if the key is of a type that the keys of the set do not have. Otherwise a guard with
    /// a key of the wrong type would accept every set.
    #[track_caller]
    pub fn contains(&self, pk: impl Into<Value>) -> bool {
        let pk = pk.into();
        self.0.iter().any(|it| is_same(it, &pk))
    }

    /// Takes a key out, and returns `true` if it was in the set.
    ///
    /// During [`PreAdd`](fanfare_django::model::M2mAction::PreAdd) of [`Links`](crate::Links) the
    /// key is then not added.
    ///
    /// # Panics
    ///
    /// Panics like [`contains`](PkSet::contains).
    #[track_caller]
    pub fn remove(&mut self, pk: impl Into<Value>) -> bool {
        let pk = pk.into();
        let at = self.0.iter().position(|it| is_same(it, &pk));
        at.is_some_and(|at| {
            self.0.remove(at);
            true
        })
    }

    /// Returns an iterator over the keys.
    pub fn iter(&self) -> std::slice::Iter<'_, Value> {
        self.0.iter()
    }

    /// Returns the number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Returns `true` if two keys are the same.
#[track_caller]
fn is_same(key: &Value, asked: &Value) -> bool {
    assert!(
        mem::discriminant(key) == mem::discriminant(asked)
            || integer(key).is_some() && integer(asked).is_some(),
        "the set has keys like {key:?}, not {asked:?}: pass a key of the same type"
    );
    is_equal(key, asked)
}

fn is_equal(one: &Value, other: &Value) -> bool {
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

fn integer(value: &Value) -> Option<i128> {
    Some(match *value {
        Value::TinyInt(it) => it?.into(),
        Value::SmallInt(it) => it?.into(),
        Value::Int(it) => it?.into(),
        Value::BigInt(it) => it?.into(),
        Value::TinyUnsigned(it) => it?.into(),
        Value::SmallUnsigned(it) => it?.into(),
        Value::Unsigned(it) => it?.into(),
        Value::BigUnsigned(it) => it?.into(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_equal_by_value_and_in_order() {
        let set = |keys: [Value; 2]| PkSet(keys.into());
        let numbers = set([1_i32.into(), 2_i32.into()]);
        assert_eq!(numbers, set([1_u64.into(), 2_i64.into()]));
        assert_ne!(numbers, set([2.into(), 1.into()]));
        assert_ne!(numbers, set(["1".into(), "2".into()]));
        assert_ne!(numbers, PkSet(vec![1.into()]));
    }
}
