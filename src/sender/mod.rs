//! The senders that a send names and that a connection may be limited to.

pub(crate) mod identity;
pub(crate) mod into_sender;

use std::any::{TypeId, type_name};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use identity::{Identity, IdentityState};

/// The thing that an event is about, compared by value.
///
/// In Rust, a `Sender` is usually the end of a channel through which a program sends. Here, as in
/// Django, it is the thing that the event is about: receivers may be connected for one sender only.
///
/// A sender is a type ([`Sender::of`]), a name ([`Sender::named`]), a number with a meaning in the
/// application ([`Sender::key`]), or one object ([`Sender::identity`]). A send without a sender has
/// [`Sender::NONE`]. Senders of different kinds are never equal: the name `"7"` is not the key `7`.
/// Matching is exact. There is no inheritance between senders.
///
/// A `Sender` is `Copy`, has 24 bytes and does not allocate. A `&str`, every integer and an
/// `&Identity` convert into a sender, so that every parameter for a sender takes them:
/// [`IntoSender`](crate::connections::IntoSender) lists all. One number is one sender, whatever its
/// type: `7_u8` is `7_i64`. A type is written as [`Sender::of`]. An object of the application is
/// identified by a number ([`Sender::key`]) or by an [`Identity`](crate::Identity).
///
/// ```
/// use fanfare::Sender;
///
/// struct Till;
///
/// assert_eq!(Sender::of::<Till>(), Sender::of::<Till>());
/// assert_eq!(Sender::named("till"), Sender::from(&*String::from("till")));
/// assert_ne!(Sender::named("7"), Sender::key(7));
/// assert_eq!(Sender::from(7), Sender::key(7));
/// assert_eq!(Sender::from(-1_i8), Sender::from(-1_i64));
/// ```
#[derive(Clone, Copy)]
pub struct Sender<'a>(Repr<'a>);

#[derive(Clone, Copy)]
enum Repr<'a> {
    None,
    Type(&'static TypeInfo),
    Name(&'a str),
    /// The halves of a `u128`, which keep the alignment, and so the size, small.
    Key([u64; 2]),
    /// The state that an identity and a connection made for it share.
    Identity(&'a Arc<IdentityState>),
}

/// A type as a sender: its identity, and its name for people.
pub(crate) struct TypeInfo {
    /// The function that returns the type's identity. It is a function because `TypeId::of` is not
    /// `const` before Rust 1.91. If the type is known when a send is compiled, the optimizer
    /// replaces the call by the value.
    id: fn() -> TypeId,
    name: fn() -> &'static str,
}

impl TypeInfo {
    /// Returns `true` if both are of one type.
    #[inline]
    fn is(&self, other: &TypeInfo) -> bool {
        // It is usually one address, but the compiler may have made a copy in each codegen unit.
        std::ptr::eq(self, other) || (self.id)() == (other.id)()
    }
}

impl<'a> Sender<'a> {
    /// The absence of a sender. A send with it reaches only the receivers that are connected for
    /// any sender.
    pub const NONE: Sender<'static> = Sender(Repr::None);

    /// Returns the type `T` as a sender.
    pub const fn of<T: ?Sized + 'static>() -> Sender<'static> {
        Sender(Repr::Type(
            const {
                &TypeInfo {
                    id: TypeId::of::<T>,
                    name: type_name::<T>,
                }
            },
        ))
    }

    /// Returns a name as a sender. Names are compared by their text.
    pub const fn named(name: &'a str) -> Self {
        Sender(Repr::Name(name))
    }

    /// Returns a number of the application as a sender, for example a row's primary key.
    pub const fn key(key: u128) -> Sender<'static> {
        Sender(Repr::Key([key as u64, (key >> 64) as u64]))
    }

    /// Returns one object as a sender. Its death disconnects the receivers that are connected for
    /// it.
    pub const fn identity(identity: &'a Identity) -> Self {
        Sender(Repr::Identity(identity.state()))
    }

    /// Returns the name, if the sender is a name.
    pub const fn name(&self) -> Option<&'a str> {
        match self.0 {
            Repr::Name(name) => Some(name),
            _ => None,
        }
    }

    /// Returns this sender, or a static of the same value. For a constant `NONE` the compiler then
    /// does not keep one on the stack.
    #[inline(always)]
    pub(crate) fn or_static(&self) -> &Sender<'a> {
        match self.0 {
            Repr::None => &Sender::NONE,
            _ => self,
        }
    }

    /// Returns the form of this sender that a table is searched for, or `None` for
    /// [`Sender::NONE`].
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn probe(&self) -> Option<Probe<'a>> {
        match self.0 {
            Repr::None => None,
            Repr::Type(info) => Some(Probe::Type((info.id)())),
            Repr::Name(name) => Some(Probe::Name(name)),
            Repr::Key(key) => Some(Probe::Key(key)),
            Repr::Identity(state) => Some(Probe::Identity(state.number())),
        }
    }

    /// Returns the owned form, or `None` for [`Sender::NONE`].
    pub(crate) fn to_key(self) -> Option<SenderKey> {
        match self.0 {
            Repr::None => None,
            Repr::Type(info) => Some(SenderKey::Type(info)),
            Repr::Name(name) => Some(SenderKey::Name(name.into())),
            Repr::Key(key) => Some(SenderKey::Key(key)),
            Repr::Identity(state) => Some(SenderKey::Identity(Arc::clone(state))),
        }
    }
}

/// A sender as a table is searched for it. It is borrowed, and lacks the parts that only people
/// read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe<'a> {
    Type(TypeId),
    Name(&'a str),
    Key([u64; 2]),
    Identity(u64),
}

impl Hash for Probe<'_> {
    /// Hashes the sender. The kinds are distinguished by comparing.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match *self {
            Probe::Type(id) => id.hash(state),
            Probe::Name(name) => name.hash(state),
            Probe::Key(key) => key.hash(state),
            Probe::Identity(number) => number.hash(state),
        }
    }
}

/// A sender as a connection stores it.
#[derive(Clone)]
pub(crate) enum SenderKey {
    Type(&'static TypeInfo),
    Name(Arc<str>),
    Key([u64; 2]),
    Identity(Arc<IdentityState>),
}

impl SenderKey {
    #[inline]
    pub(crate) fn probe(&self) -> Probe<'_> {
        match self {
            SenderKey::Type(info) => Probe::Type((info.id)()),
            SenderKey::Name(name) => Probe::Name(name),
            SenderKey::Key(key) => Probe::Key(*key),
            SenderKey::Identity(state) => Probe::Identity(state.number()),
        }
    }

    /// Returns `true` if `sender` is the sender from which this was made.
    #[inline]
    pub(crate) fn is(&self, sender: &Sender<'_>) -> bool {
        match (sender.0, self) {
            (Repr::Key(key), SenderKey::Key(own)) => *own == key,
            (Repr::Type(info), SenderKey::Type(own)) => own.is(info),
            (Repr::Identity(state), SenderKey::Identity(own)) => own.number() == state.number(),
            (Repr::Name(name), SenderKey::Name(own)) => **own == *name,
            _ => false,
        }
    }

    /// Returns the sender from which this was made.
    ///
    /// An identity may have died since. A send from it then reaches the receivers that are
    /// connected for any sender.
    pub(crate) fn as_sender(&self) -> Sender<'_> {
        Sender(match self {
            SenderKey::Type(info) => Repr::Type(info),
            SenderKey::Name(name) => Repr::Name(name),
            SenderKey::Key(key) => Repr::Key(*key),
            SenderKey::Identity(state) => Repr::Identity(state),
        })
    }
}

impl PartialEq for SenderKey {
    fn eq(&self, other: &Self) -> bool {
        self.probe() == other.probe()
    }
}

impl Eq for SenderKey {}

impl Hash for SenderKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.probe().hash(state);
    }
}

impl fmt::Display for SenderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_sender().fmt(f)
    }
}

impl PartialEq for Sender<'_> {
    fn eq(&self, other: &Sender<'_>) -> bool {
        self.probe() == other.probe()
    }
}

impl Eq for Sender<'_> {}

impl Hash for Sender<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.probe().hash(state);
    }
}

impl fmt::Display for Sender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::None => f.write_str("no sender"),
            Repr::Type(info) => f.write_str((info.name)()),
            Repr::Name(name) => write!(f, "{name:?}"),
            Repr::Key([low, high]) => {
                write!(f, "key {}", (u128::from(high) << 64) | u128::from(low))
            }
            Repr::Identity(state) => write!(f, "identity {}", state.number()),
        }
    }
}

impl fmt::Debug for Sender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_one_sender_of_which_it_was_made() {
        let (mine, other) = (Identity::new(), Identity::new());
        let senders = [
            Sender::of::<u8>(),
            Sender::of::<u16>(),
            Sender::named("7"),
            Sender::named("8"),
            Sender::key(7),
            Sender::key(7 << 64),
            mine.sender(),
            other.sender(),
        ];
        for (at, key) in senders.iter().map(|sender| sender.to_key()).enumerate() {
            let key = key.expect("it is a sender");
            let same = senders.map(|sender| key.is(&sender));
            assert_eq!(same, std::array::from_fn(|other| other == at), "{key}");
            assert!(!key.is(&Sender::NONE), "{key}");
        }
    }

    /// The compiler may make the information on a type in each codegen unit.
    #[test]
    fn a_type_whose_information_is_elsewhere_is_the_same_sender() {
        static COPY: TypeInfo = TypeInfo {
            id: TypeId::of::<u8>,
            name: std::any::type_name::<u8>,
        };
        let own = Sender::of::<u8>();
        assert!(SenderKey::Type(&COPY).is(&own));
        assert!(own.to_key().expect("a type").is(&Sender(Repr::Type(&COPY))));
    }
}
