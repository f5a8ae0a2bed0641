//! Sends by one of many senders, each with a receiver of its own.

use std::collections::HashMap;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::{Arc, RwLock};

use fanfare::{Sender, Signal};
use fanfare_benches::{Boxed, Lcg, boxed, connect_senders};

use crate::measure::{Case, Effort, measure};
use crate::results::Row;

/// Sends from the sender of that number.
type Send = Box<dyn Fn(u64)>;

const BARE: &str = "bare `HashMap`";
const LOCKED: &str = "`RwLock<HashMap<_, Arc<[F]>>>`";

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let about = [
        (
            BARE,
            "a lookup in a `HashMap` and a loop: nothing can change while it is shared",
        ),
        (
            LOCKED,
            "by hand: a table for each sender, cloned under the lock",
        ),
    ];
    let mut rows: Vec<Row> = about
        .map(|(rival, about)| Row::without("about", rival, 0, about))
        .into();
    for &senders in effort.senders {
        let rivals: [(&str, Rc<Send>); 4] = [
            (BARE, Rc::new(bare(senders))),
            ("fanfare `signal`", Rc::new(signal(senders))),
            ("fanfare `emitter`", Rc::new(emitter(senders))),
            (LOCKED, Rc::new(locked(senders))),
        ];
        for (work, random) in [("senders same", false), ("senders random", true)] {
            let cases = rivals.iter().map(|(rival, send)| {
                let send = Rc::clone(send);
                let mut numbers = Lcg(3);
                Case::timed(rival, senders, move |repeats| {
                    for _ in 0..repeats {
                        let sender = if random {
                            numbers.below(senders as usize) as u64
                        } else {
                            senders / 2
                        };
                        send(black_box(sender));
                    }
                })
            });
            rows.extend(measure(work, effort, cases.collect()));
        }
    }
    rows
}

fn bare(senders: u64) -> Send {
    let table: HashMap<u64, Vec<Boxed>> = (0..senders).map(|sender| (sender, boxed(1))).collect();
    Box::new(move |sender| {
        let event = black_box(&1);
        for receiver in table.get(&sender).into_iter().flatten() {
            receiver(event);
        }
    })
}

fn locked(senders: u64) -> Send {
    let table = (0..senders).map(|sender| (sender, boxed(1).into()));
    let table: RwLock<HashMap<u64, Arc<[Boxed]>>> = RwLock::new(table.collect());
    Box::new(move |sender| {
        let event = black_box(&1);
        let receivers = table.read().expect("nothing panics").get(&sender).cloned();
        for receiver in receivers.iter().flat_map(|receivers| receivers.iter()) {
            receiver(event);
        }
    })
}

fn signal(senders: u64) -> Send {
    let signal = Signal::<u64>::new();
    connect_senders(&signal, senders);
    Box::new(move |sender| {
        black_box(&signal)
            .from(Sender::key(sender.into()))
            .send(black_box(&1));
    })
}

/// Leaks its signal, which the emitter borrows.
fn emitter(senders: u64) -> Send {
    let signal: &'static Signal<u64> = Box::leak(Box::default());
    connect_senders(signal, senders);
    let emitter = std::cell::RefCell::new(signal.emitter());
    Box::new(move |sender| {
        emitter
            .borrow_mut()
            .from(Sender::key(sender.into()))
            .send(black_box(&1));
    })
}
