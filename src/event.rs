//! The events of signals.

use std::sync::Arc;

/// The type of the event that a signal carries to its receivers.
///
/// A signal is a `static`, so its event type must be `'static`. The events that are sent may still
/// borrow. `Args<'a>` is the event in one send: for `PizzaDone<'static>` it is `PizzaDone<'a>`, and
/// for a type without lifetimes it is the type itself. `#[derive(Event)]` writes the
/// implementation.
///
/// The trait is implemented here for `()`, `bool`, `char`, the integers, the floats, [`String`] and
/// `&'static str` (which is sent as any `&str`). It is also implemented for [`Vec`], [`Option`],
/// [`Result`], [`Box`], [`Arc`] and tuples of up to four elements, if their contents are `'static`.
/// For any other type of another crate, wrap the type in a struct of your own: `#[derive(Event)]
/// struct Moved(Point);`.
///
/// ```
/// use fanfare::{Event, Signal};
///
/// struct LineRead<'a> {
///     text: &'a str,
/// }
///
/// // What `#[derive(Event)]` writes:
/// impl Event for LineRead<'static> {
///     type Args<'a> = LineRead<'a>;
/// }
///
/// static LINE_READ: Signal<LineRead<'static>, usize> = Signal::new();
///
/// LINE_READ.connect(|_sender, line| line.text.len());
/// let text = String::from("borrowed for one send");
/// let lengths = LINE_READ.send(&LineRead { text: &text });
/// assert_eq!(*lengths, [21]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "a signal cannot carry this type",
    note = "write `#[derive(fanfare::Event)]` on the type, and `Signal<TheType<'static>>` where it has a lifetime",
    note = "for a type of another crate, write a struct that holds it: `#[derive(fanfare::Event)] struct Wrapper(TheType);`"
)]
pub trait Event: 'static {
    /// The event with the lifetime of one send.
    type Args<'a>;
}

/// An event that does not borrow, so that it can outlive its send. Its `Args<'a>` is the type
/// itself, for every `'a`.
///
/// The trait is implemented for each such event, and only here. Code that keeps a copy of the
/// events of sends requires this trait. (A [`Deferred`](crate::Deferred) is given its events, and
/// takes any that hold no borrow shorter than `'static`.)
///
/// ```
/// use fanfare::{Event, OwnedEvent};
///
/// fn copy<E: OwnedEvent + Clone>(event: &E::Args<'_>) -> E {
///     event.clone()
/// }
///
/// #[derive(Clone)]
/// struct LineRead {
///     text: String,
/// }
///
/// impl Event for LineRead {
///     type Args<'a> = LineRead;
/// }
///
/// let line = LineRead { text: String::from("kept") };
/// assert_eq!(copy::<LineRead>(&line).text, "kept");
/// ```
///
/// An event that borrows does not implement it:
///
/// ```compile_fail,E0308
/// use fanfare::{Event, OwnedEvent};
///
/// struct LineRead<'a> {
///     text: &'a str,
/// }
///
/// impl Event for LineRead<'static> {
///     type Args<'a> = LineRead<'a>;
/// }
///
/// fn keep<E: OwnedEvent>(event: E) {}
///
/// keep(LineRead { text: "a static one, this time" });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event that owns its data",
    label = "cannot be kept after its send",
    note = "an owned event has no lifetime, and its `Event::Args<'a>` is the type itself"
)]
pub trait OwnedEvent: for<'a> Event<Args<'a> = Self> + Sized {}

impl<E> OwnedEvent for E where E: for<'a> Event<Args<'a> = E> {}

macro_rules! plain_events {
    ($($name:ty)*) => {
        $(impl Event for $name {
            type Args<'a> = $name;
        })*
    };
}

plain_events! {
    () bool char String
    u8 u16 u32 u64 u128 usize
    i8 i16 i32 i64 i128 isize
    f32 f64
}

/// Types of std that hold values of other types. Their events are sent as they are.
macro_rules! holding_events {
    ($([$($parameter:ident)+] $name:ty)*) => {
        $(impl<$($parameter: 'static),+> Event for $name {
            type Args<'a> = $name;
        })*
    };
}

holding_events! {
    [T] Vec<T>
    [T] Option<T>
    [T X] Result<T, X>
    [A] (A,)
    [A B] (A, B)
    [A B C] (A, B, C)
    [A B C D] (A, B, C, D)
}

impl<T: ?Sized + 'static> Event for Box<T> {
    type Args<'a> = Box<T>;
}

impl<T: ?Sized + 'static> Event for Arc<T> {
    type Args<'a> = Arc<T>;
}

impl Event for &'static str {
    type Args<'a> = &'a str;
}
