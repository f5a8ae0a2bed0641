//! The signals, and the one crate that calls fanfare by its name. The others have it from here, or
//! under another name.

pub use fanfare;

use fanfare::{Event, Signal};

/// An order of the shop.
#[derive(Event)]
pub struct Ordered<'a> {
    pub street: &'a str,
}

/// Receivers return their names.
pub static ORDERED: Signal<Ordered<'static>, &'static str> = Signal::new();

/// Declares a receiver in a crate that has no dependency on fanfare.
#[macro_export]
macro_rules! on_order {
    ($name:ident) => {
        #[$crate::fanfare::receiver($crate::ORDERED, crate = $crate::fanfare)]
        fn $name(
            _sender: $crate::fanfare::Sender<'_>,
            _ordered: &$crate::Ordered<'_>,
        ) -> &'static str {
            ::core::stringify!($name)
        }
    };
}
