//! fanfare.

use std::hint::black_box;

use super::add;
use crate::rival::Rival;

macro_rules! signal {
    ($name:ident, $fanfare:ident, $called:literal, $about:literal) => {
        pub(crate) struct $name($fanfare::Signal<u64>);

        impl Rival for $name {
            const NAME: &'static str = $called;
            const ABOUT: &'static str = $about;

            type Held = $fanfare::Connection;
            type Local = ();

            fn with(n: u64) -> (Self, Vec<Self::Held>) {
                let signal = $fanfare::Signal::new();
                let held = signal.change(|changes| {
                    (0..n).for_each(|c| changes.connect(move |_sender, x| add(c, *x)));
                });
                ($name(signal), held.into_iter().collect())
            }

            fn local(&self, _threads: usize) {}

            #[inline(always)]
            fn send(&self, (): &mut ()) {
                self.0.send(black_box(&1));
            }

            fn connect(&self, c: u64) -> Self::Held {
                self.0.connect(move |_sender, x| add(c, *x))
            }

            fn disconnect(&self, held: Self::Held) {
                held.disconnect();
            }
        }
    };
}

signal!(
    Signal,
    fanfare,
    "fanfare `signal`",
    "`Signal::send`: senders, priorities, weak and once receivers, and a guard against endless nesting are looked after"
);
signal!(
    Asymmetric,
    fanfare_asymmetric,
    "fanfare `signal`, `asymmetric`",
    "the same with the feature `asymmetric`"
);

macro_rules! emitter {
    ($name:ident, $signal:ident, $fanfare:ident, $called:literal, $about:literal) => {
        /// Leaks its signal, which its emitters borrow.
        pub(crate) struct $name(&'static $signal);

        impl Rival for $name {
            const NAME: &'static str = $called;
            const ABOUT: &'static str = $about;

            type Held = $fanfare::Connection;
            type Local = $fanfare::Emitter<'static, u64>;

            fn with(n: u64) -> (Self, Vec<Self::Held>) {
                let (signal, held) = $signal::with(n);
                ($name(Box::leak(Box::new(signal))), held)
            }

            fn local(&self, _threads: usize) -> Self::Local {
                self.0.0.emitter()
            }

            #[inline(always)]
            fn send(&self, local: &mut Self::Local) {
                local.send(black_box(&1));
            }

            fn connect(&self, c: u64) -> Self::Held {
                self.0.connect(c)
            }

            fn disconnect(&self, held: Self::Held) {
                self.0.disconnect(held);
            }
        }
    };
}

emitter!(
    Emitter,
    Signal,
    fanfare,
    "fanfare `emitter`",
    "`Emitter::send`: the same, from a handle of each thread, which keeps the table of its last send alive"
);
emitter!(
    EmitterAsymmetric,
    Asymmetric,
    fanfare_asymmetric,
    "fanfare `emitter`, `asymmetric`",
    "the same with the feature `asymmetric`"
);
