//! fanfare.

use std::hint::black_box;

use fanfare::{Connection, Sender};

use super::add;
use crate::rival::Rival;

pub(crate) struct Signal(fanfare::Signal<u64>);

impl Rival for Signal {
    const NAME: &'static str = "fanfare `signal`";
    const ABOUT: &'static str = "`Signal::send`: senders, priorities, weak and once receivers, and a guard \
                                 against endless nesting are looked after";

    type Held = Connection;
    type Local = ();

    fn with(n: u64) -> (Self, Vec<Connection>) {
        let signal = fanfare::Signal::new();
        let held = fill(&signal, n);
        (Signal(signal), held)
    }

    fn local(&self, _threads: usize) {}

    #[inline(always)]
    fn send(&self, (): &mut ()) {
        self.0.send(Sender::NONE, black_box(&1));
    }

    fn connect(&self, c: u64) -> Connection {
        connect(&self.0, c)
    }

    fn disconnect(&self, held: Connection) {
        held.disconnect();
    }
}

/// Leaks its signal, which its emitters borrow.
pub(crate) struct Emitter(&'static fanfare::Signal<u64>);

impl Rival for Emitter {
    const NAME: &'static str = "fanfare `emitter`";
    const ABOUT: &'static str = "`Emitter::send`: the same, from a handle of each thread, which keeps what it \
                                 last sent to alive";

    type Held = Connection;
    type Local = fanfare::Emitter<'static, u64>;

    fn with(n: u64) -> (Self, Vec<Connection>) {
        let signal = Box::leak(Box::default());
        let held = fill(signal, n);
        (Emitter(signal), held)
    }

    fn local(&self, _threads: usize) -> Self::Local {
        self.0.emitter()
    }

    #[inline(always)]
    fn send(&self, local: &mut Self::Local) {
        local.send(Sender::NONE, black_box(&1));
    }

    fn connect(&self, c: u64) -> Connection {
        connect(self.0, c)
    }

    fn disconnect(&self, held: Connection) {
        held.disconnect();
    }
}

fn fill(signal: &fanfare::Signal<u64>, n: u64) -> Vec<Connection> {
    let receiver = |c| signal.options().prepare(move |_sender, x| add(c, *x));
    signal.connect_many((0..n).map(receiver))
}

fn connect(signal: &fanfare::Signal<u64>, c: u64) -> Connection {
    signal.connect(move |_sender, x| add(c, *x))
}
