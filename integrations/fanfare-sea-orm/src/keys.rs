//! Primary keys as receivers have them.

use std::fmt;
use std::mem;

use sea_orm::Value;
use sea_orm::sea_query::{ValueTuple, ValueType};

/// The primary key of a row, of one column or of several: the type inside
/// [`PostSave::pk`](fanfare_django::model::PostSave::pk) and its siblings.
///
/// It displays as its value without quotes, as `7`, and several as `(7, en)`.
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

/// Returns a value as SQL has it, without quotes.
fn text(value: &Value) -> String {
    if let Value::String(Some(text)) = value {
        return text.to_string();
    }
    let text = value.to_string();
    let inside = text.strip_prefix('\'').and_then(|it| it.strip_suffix('\''));
    inside.map(ToOwned::to_owned).unwrap_or(text)
}

/// The primary key of an instance: what [`M2mChanged::instance`](fanfare_django::model::M2mChanged::instance) has where the instance itself is
/// not at hand, and beside it otherwise.
///
/// Two are equal if their values are; integers whatever their types, for the entity's may have another
/// than the junction's.
#[derive(Clone, Debug)]
pub struct Pk(pub Value);

impl PartialEq for Pk {
    fn eq(&self, other: &Pk) -> bool {
        is_equal(&self.0, &other.0)
    }
}

/// The primary keys at the other end of a many-to-many relation: what [`M2mChanged::pk_set`](fanfare_django::model::M2mChanged::pk_set) has.
/// Each once, in the order in which they were given.
///
/// Integers are compared by value, whatever their types. To read keys, say what they are:
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
    /// Whether the key is in the set.
    ///
    /// # Panics
    ///
    /// If it is of a type that the keys of the set do not have: a guard that asked so would let
    /// everything through.
    #[track_caller]
    pub fn contains(&self, pk: impl Into<Value>) -> bool {
        let pk = pk.into();
        self.0.iter().any(|it| is_same(it, &pk))
    }

    /// Takes a key out; true if it was in the set. During
    /// [`PreAdd`](fanfare_django::model::M2mAction::PreAdd) of [`Links`](crate::Links) it is then not added.
    ///
    /// # Panics
    ///
    /// As [`contains`](PkSet::contains).
    #[track_caller]
    pub fn remove(&mut self, pk: impl Into<Value>) -> bool {
        let pk = pk.into();
        let at = self.0.iter().position(|it| is_same(it, &pk));
        at.is_some_and(|at| {
            self.0.remove(at);
            true
        })
    }

    /// The keys.
    pub fn iter(&self) -> std::slice::Iter<'_, Value> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether two keys are the same.
#[track_caller]
fn is_same(key: &Value, asked: &Value) -> bool {
    assert!(
        mem::discriminant(key) == mem::discriminant(asked)
            || integer(key).is_some() && integer(asked).is_some(),
        "the set has keys like {key:?}, and was asked for {asked:?}: give it a key of their type"
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
