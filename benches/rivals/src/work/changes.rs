//! Connecting one receiver and disconnecting one, while many are held.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use fanfare_benches::Lcg;

use crate::measure::{Case, Effort, measure};
use crate::results::Row;
use crate::rival::{self, Apart, Rival, Visit};

const NEWEST: &str = "changes newest";
const RANDOM: &str = "changes random";

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for &held in effort.held {
        let mut changes = Changes {
            held,
            newest: Vec::new(),
            random: Vec::new(),
            left_out: Vec::new(),
        };
        rival::each(&mut changes);
        rows.extend(measure(NEWEST, effort, changes.newest));
        rows.extend(measure(RANDOM, effort, changes.random));
        rows.extend(changes.left_out);
    }
    rows
}

struct Changes {
    held: u64,
    newest: Vec<Case<'static>>,
    random: Vec<Case<'static>>,
    left_out: Vec<Row>,
}

/// A rival, and its receivers.
struct Filled<R: Rival> {
    rival: Apart<R>,
    held: Vec<R::Held>,
    next: u64,
}

impl<R: Rival> Filled<R> {
    fn connect(&mut self) -> R::Held {
        // Some know their receivers by the number.
        self.next += 1;
        black_box(&self.rival.0).connect(self.next)
    }
}

impl Visit for Changes {
    fn visit<R: Rival>(&mut self) {
        let left_out = match R::MOST {
            _ if !R::CHANGES => Some("nothing can change while it is shared"),
            Some((most, why)) if self.held > most => Some(why),
            _ => None,
        };
        if let Some(why) = left_out {
            let row = |work| Row::without(work, R::NAME, self.held, why);
            self.left_out.extend([NEWEST, RANDOM].map(row));
            return;
        }
        let (rival, held) = R::with(self.held);
        let filled = Rc::new(RefCell::new(Filled {
            rival: Apart(rival),
            held,
            next: self.held,
        }));
        let shared = Rc::clone(&filled);
        let newest = move |repeats| {
            let filled = &mut *shared.borrow_mut();
            for _ in 0..repeats {
                let added = filled.connect();
                filled.rival.0.disconnect(added);
            }
        };
        let mut numbers = Lcg(1);
        let random = move |repeats| {
            let filled = &mut *filled.borrow_mut();
            for _ in 0..repeats {
                let at = numbers.below(filled.held.len());
                let added = filled.connect();
                let old = std::mem::replace(&mut filled.held[at], added);
                filled.rival.0.disconnect(old);
            }
        };
        self.newest.push(Case::timed(R::NAME, self.held, newest));
        self.random.push(Case::timed(R::NAME, self.held, random));
    }
}
