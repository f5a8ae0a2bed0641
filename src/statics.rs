//! The macro `signals!`, whose expansion uses `private.rs`.

/// Declares signals as statics, and gives them their names.
///
/// [`watch::signals`](crate::watch::signals) lists a declared signal before its first use, and
/// observers and explanations name it by its module and its static. A signal that is declared
/// without the macro is listed once it is used, by the name of the type of its events. Sends cost
/// the same.
///
/// ```
/// use fanfare::Signal;
///
/// fanfare::signals! {
///     /// Sent when an order has been saved.
///     pub static SAVED: Signal<u32>;
///     static PAID: Signal<u32, bool>;
/// }
///
/// SAVED.connect(|_sender, _id| ());
/// PAID.connect(|_sender, id| *id == 7);
/// assert_eq!(*PAID.send(&7), [true]);
/// # #[cfg(feature = "macros")]
/// assert!(PAID.explain(fanfare::Sender::NONE).signal.ends_with("::PAID"));
/// ```
///
/// Signals that are statics already get their names by `fanfare::signals!(SAVED, PAID);` in the
/// module of the statics.
///
/// Without the feature `macros` the statics are the same, and have no names.
///
/// # Limitations
///
/// * The line of a declaration is that of the macro.
/// * An attribute `#[cfg]` applies to the static alone. Put it on a module around the macro.
#[macro_export]
macro_rules! signals {
    ($(
        $(#[$attribute:meta])*
        $visibility:vis static $name:ident: $signal:ty;
    )+) => {
        $(
            $(#[$attribute])*
            $visibility static $name: $signal = <$signal>::new();
            $crate::__declare_signal!($name);
        )+
    };
    ($($name:ident),+ $(,)?) => {
        $($crate::__declare_signal!($name);)+
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "`signals!` takes statics without a value, or names of statics: write \
             `signals! { pub static SAVED: Signal<u32>; }` or `signals!(SAVED);`"
        );
    };
}

/// Adds a static to the declared signals.
#[cfg(feature = "macros")]
#[doc(hidden)]
#[macro_export]
macro_rules! __declare_signal {
    ($name:ident) => {
        $crate::__private::submit! {
            $crate::__private::Declaration::new(
                ::core::concat!(::core::module_path!(), "::", ::core::stringify!($name)),
                ::core::file!(),
                ::core::line!(),
                || $crate::__private::properties_of(&$name),
            )
        }
    };
}

/// Does nothing, because no list of declared signals is linked.
#[cfg(not(feature = "macros"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __declare_signal {
    ($name:ident) => {};
}
