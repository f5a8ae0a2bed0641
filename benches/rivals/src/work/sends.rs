//! Sends from one thread, to more and more receivers.

use std::hint::black_box;

use crate::measure::{Case, Effort, RECEIVERS, measure};
use crate::results::Row;
use crate::rival::{self, Apart, Rival, Visit};

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for receivers in RECEIVERS {
        let mut sends = Sends {
            receivers,
            cases: Vec::new(),
        };
        rival::each(&mut sends);
        rows.extend(measure("sends", effort, sends.cases));
    }
    rows
}

struct Sends {
    receivers: u64,
    cases: Vec<Case<'static>>,
}

impl Visit for Sends {
    fn visit<R: Rival>(&mut self) {
        let (rival, held) = R::with(self.receivers);
        let rival = Box::new(Apart(rival));
        let mut local = rival.0.local(1);
        let case = Case::timed(R::NAME, self.receivers, move |repeats| {
            // What some rivals disconnect when it is dropped.
            let _held = &held;
            send(&rival.0, &mut local, repeats);
        });
        self.cases.push(case);
    }
}

#[inline(never)]
pub(crate) fn send<R: Rival>(rival: &R, local: &mut R::Local, repeats: u64) {
    for _ in 0..repeats {
        black_box(rival).send(black_box(local));
    }
}
