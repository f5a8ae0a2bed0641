//! The work that is measured of every rival.

pub(crate) mod changes;
pub(crate) mod growth;
pub(crate) mod latency;
pub(crate) mod memory;
pub(crate) mod probe;
pub(crate) mod senders;
pub(crate) mod sends;
pub(crate) mod tail;
pub(crate) mod threads;
pub(crate) mod weak_dead;

use crate::measure::Effort;
use crate::results::Row;
use crate::rival::{self, ABSENT, Rival, Visit};

/// A piece of work, over all rivals that it is for.
type Work = fn(&Effort) -> Vec<Row>;

/// All of it.
pub(crate) fn all(effort: &Effort) -> Vec<Row> {
    fanfare_benches::park_a_thread();
    let mut rows = about();
    rows.extend(probe::ping_pong(1));
    let works: [(&str, Work); 9] = [
        ("sends", sends::rows),
        ("threads", threads::rows),
        ("latency", latency::rows),
        ("tail", tail::rows),
        ("senders", senders::rows),
        ("connect and disconnect", changes::rows),
        ("growth", growth::rows),
        ("weak_dead", weak_dead::rows),
        // Last: it leaves holes in the heap.
        ("memory", memory::rows),
    ];
    for (name, work) in works {
        eprintln!("rust: {name}");
        rows.extend(work(effort));
    }
    rows.extend(probe::ping_pong(2));
    rows
}

/// The tail alone.
pub(crate) fn tail(effort: &Effort) -> Vec<Row> {
    fanfare_benches::park_a_thread();
    tail::rows(effort)
}

/// The sends after the deaths of weak receivers alone.
pub(crate) fn weak_dead(effort: &Effort) -> Vec<Row> {
    fanfare_benches::park_a_thread();
    weak_dead::rows(effort)
}

fn about() -> Vec<Row> {
    struct About(Vec<Row>);

    impl Visit for About {
        fn visit<R: Rival>(&mut self) {
            self.0.push(Row::without("about", R::NAME, 0, R::ABOUT));
        }
    }

    let mut about = About(Vec::new());
    rival::each(&mut about);
    let absent = ABSENT.iter();
    about
        .0
        .extend(absent.map(|(name, why)| Row::without("sends", name, 0, why)));
    about.0
}
