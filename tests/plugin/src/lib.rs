//! The parts that a program and its plugins share: fanfare itself, and the signals.

pub use fanfare;

use fanfare::Signal;

/// Receivers return their names.
pub static ASKED: Signal<u32, &'static str> = Signal::new();
