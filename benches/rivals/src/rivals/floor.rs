//! The time below which no rival gets that calls boxed receivers one after the other, except by
//! unrolling.

use std::hint::black_box;

use fanfare_benches::Boxed;

use super::add;
use crate::rival::Rival;

pub(crate) struct Floor(Vec<Boxed>);

impl Rival for Floor {
    const NAME: &'static str = "bare loop";
    const ABOUT: &'static str = "a loop over `Vec<Box<dyn Fn>>`: nothing can be connected while it is \
                                 shared. Its speed depends on where the linker puts it";
    const CHANGES: bool = false;

    type Held = ();
    type Local = ();

    fn with(n: u64) -> (Self, Vec<()>) {
        let receiver = |c| -> Boxed { Box::new(move |x| add(c, *x)) };
        (Floor((0..n).map(receiver).collect()), Vec::new())
    }

    fn local(&self, _threads: usize) {}

    #[inline(always)]
    fn send(&self, (): &mut ()) {
        let event = black_box(&1);
        for receiver in &self.0 {
            receiver(event);
        }
    }

    fn connect(&self, _c: u64) {
        unreachable!("it does not change")
    }

    fn disconnect(&self, (): ()) {
        unreachable!("it does not change")
    }
}
