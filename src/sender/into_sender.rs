//! The values that a parameter for a sender takes.

use std::borrow::Cow;

use super::Sender;
use super::identity::Identity;

/// A value that is passed for a [`Sender`].
///
/// These values are senders:
///
/// - a text, by reference: `&str`, `&String`, `&Cow<str>`, and a `&&str` as iterators return it;
/// - an integer of any type;
/// - an `&Identity`;
/// - a `Sender`, for example [`Sender::of::<T>()`](Sender::of) for a type, [`Sender::key`] for
///   another value by a number, or [`Sender::NONE`].
///
/// Each of them also converts into a `Sender` by `From`. Implement this trait for an object of the
/// application that has a number or a name:
///
/// ```
/// use fanfare::connections::IntoSender;
/// use fanfare::{Sender, Signal};
///
/// struct Order {
///     id: u64,
/// }
///
/// impl IntoSender<'static> for &Order {
///     fn into_sender(self) -> Sender<'static> {
///         Sender::from(self.id)
///     }
/// }
///
/// static PAID: Signal<u32, u32> = Signal::new();
///
/// let order = Order { id: 7 };
/// PAID.options().sender(&order).connect(|_sender, cents| *cents);
/// assert_eq!(*PAID.from(&order).send(&900), [900]);
/// assert!(PAID.from(&Order { id: 8 }).send(&900).is_empty());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sender",
    label = "not a sender",
    note = "for a type, pass `Sender::of::<T>()`",
    note = "for an object, pass a number that identifies it, as an integer or `Sender::key(number)`, or its `&Identity`",
    note = "for a name, pass a `&str`; for no sender, pass `Sender::NONE`"
)]
pub trait IntoSender<'a> {
    /// Returns the sender that this value stands for. A send calls it once.
    fn into_sender(self) -> Sender<'a>;
}

impl<'a> IntoSender<'a> for Sender<'a> {
    #[inline(always)]
    fn into_sender(self) -> Sender<'a> {
        self
    }
}

/// Each conversion is written once, as a `From`.
macro_rules! senders {
    ($($value:ty: $this:ident => $sender:expr;)*) => {
        $(
            impl<'a> From<$value> for Sender<'a> {
                #[inline]
                fn from($this: $value) -> Self {
                    $sender
                }
            }

            impl<'a> IntoSender<'a> for $value {
                #[inline(always)]
                fn into_sender(self) -> Sender<'a> {
                    Sender::from(self)
                }
            }
        )*
    };
}

senders! {
    &'a str: name => Sender::named(name);
    &&'a str: name => Sender::named(name);
    &'a String: name => Sender::named(name);
    &'a Cow<'_, str>: name => Sender::named(name);
    &'a Identity: identity => Sender::identity(identity);
    // Signed integers are extended by their sign, so that one number is one key in every type.
    u8: key => Sender::key(key.into());
    u16: key => Sender::key(key.into());
    u32: key => Sender::key(key.into());
    u64: key => Sender::key(key.into());
    u128: key => Sender::key(key);
    usize: key => Sender::key(key as u128);
    i8: key => Sender::key(key as u128);
    i16: key => Sender::key(key as u128);
    i32: key => Sender::key(key as u128);
    i64: key => Sender::key(key as u128);
    i128: key => Sender::key(key as u128);
    isize: key => Sender::key(key as u128);
}
