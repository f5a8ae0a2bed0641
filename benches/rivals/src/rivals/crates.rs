//! Crates that dispatch events.

use std::hint::black_box;
use std::sync::Arc;

use event_listener_primitives::HandlerId;
use mod_events::{Event, EventDispatcher, ListenerId};
use signals2::{Connect1, Emit1};
use tokio::sync::broadcast;

use super::{Shared, add, shared};
use crate::rival::Rival;

fn fill<R: Rival>(rival: R, n: u64) -> (R, Vec<R::Held>) {
    let held = (0..n).map(|c| rival.connect(c)).collect();
    (rival, held)
}

pub(crate) struct Signals2(signals2::Signal<(u64,)>);

impl Rival for Signals2 {
    const NAME: &'static str = "signals2 0.3.3";
    const ABOUT: &'static str =
        "the port of Boost.Signals2: a lock for the snapshot, two loads for each receiver";
    const MOST: Option<(u64, &'static str)> = Some((
        10_000,
        "each connect copies the table: filling takes minutes",
    ));

    type Held = signals2::Connection;
    type Local = ();

    fn with(n: u64) -> (Self, Vec<Self::Held>) {
        fill(Signals2(signals2::Signal::new()), n)
    }

    fn local(&self, _threads: usize) {}

    #[inline(always)]
    fn send(&self, (): &mut ()) {
        self.0.emit(*black_box(&1));
    }

    fn connect(&self, c: u64) -> Self::Held {
        self.0.connect(move |x| add(c, x))
    }

    fn disconnect(&self, held: Self::Held) {
        held.disconnect();
    }
}

#[derive(Debug)]
struct Number(u64);

impl Event for Number {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

pub(crate) struct ModEvents(EventDispatcher);

impl Rival for ModEvents {
    const NAME: &'static str = "mod-events 1.1.0 `emit`";
    const ABOUT: &'static str = "one dispatcher for all types of events, with metrics; catches the panics of its \
                                 receivers, which no other row does";
    const MOST: Option<(u64, &'static str)> = Some((
        100_000,
        "each connect copies what grows: filling takes minutes",
    ));

    type Held = ListenerId;
    type Local = ();

    fn with(n: u64) -> (Self, Vec<ListenerId>) {
        fill(ModEvents(EventDispatcher::new()), n)
    }

    fn local(&self, _threads: usize) {}

    #[inline(always)]
    fn send(&self, (): &mut ()) {
        self.0.emit(Number(*black_box(&1)));
    }

    fn connect(&self, c: u64) -> ListenerId {
        self.0.on(move |x: &Number| add(c, x.0))
    }

    fn disconnect(&self, held: ListenerId) {
        self.0.unsubscribe(held);
    }
}

type Handlers = event_listener_primitives::Bag<Shared, u64>;

pub(crate) struct Bag(Handlers);

impl Rival for Bag {
    const NAME: &'static str = "event-listener-primitives 2.0.3 `Bag`";
    const ABOUT: &'static str = "a mutex, under which each send clones every handler";

    type Held = HandlerId;
    type Local = ();

    fn with(n: u64) -> (Self, Vec<HandlerId>) {
        fill(Bag(Handlers::default()), n)
    }

    fn local(&self, _threads: usize) {}

    #[inline(always)]
    fn send(&self, (): &mut ()) {
        self.0.call_simple(black_box(&1));
    }

    fn connect(&self, c: u64) -> HandlerId {
        self.0.add(shared(c))
    }

    fn disconnect(&self, held: HandlerId) {
        drop(held);
    }
}

pub(crate) struct DjangoRs(django_rs_signals::Signal<u64>);

impl Rival for DjangoRs {
    const NAME: &'static str = "django-rs-signals 0.1.0";
    const ABOUT: &'static str = "a lock that is held while receivers run; receivers are known by a `String`, and \
                                 every send returns a `Vec` of their responses";
    const MOST: Option<(u64, &'static str)> = Some((
        100_000,
        "each connect looks at all that are there: filling takes minutes",
    ));

    type Held = String;
    type Local = ();

    fn with(n: u64) -> (Self, Vec<String>) {
        fill(DjangoRs(django_rs_signals::Signal::new()), n)
    }

    fn local(&self, _threads: usize) {}

    #[inline(always)]
    fn send(&self, (): &mut ()) {
        black_box(self.0.send(black_box(&1)));
    }

    fn connect(&self, c: u64) -> String {
        let id = c.to_string();
        let receiver = move |x: &u64| {
            add(c, *x);
            None
        };
        self.0.connect(id.as_str(), Arc::new(receiver));
        id
    }

    fn disconnect(&self, held: String) {
        self.0.disconnect(&held);
    }
}

pub(crate) struct Broadcast {
    sends: broadcast::Sender<u64>,
    receivers: u64,
}

impl Rival for Broadcast {
    const NAME: &'static str = "tokio 1.54.1 `broadcast`, drained";
    const ABOUT: &'static str = "a channel: the sending thread also takes the events out, because the time would \
                                 otherwise be that of the scheduler; on several threads each takes its share";

    type Held = broadcast::Receiver<u64>;
    type Local = Vec<broadcast::Receiver<u64>>;

    fn with(n: u64) -> (Self, Vec<Self::Held>) {
        let (sends, _) = broadcast::channel(16);
        let held = (0..n).map(|_| sends.subscribe()).collect();
        let broadcast = Broadcast {
            sends,
            receivers: n,
        };
        (broadcast, held)
    }

    fn local(&self, threads: usize) -> Self::Local {
        let share = self.receivers.div_ceil(threads as u64);
        (0..share).map(|_| self.sends.subscribe()).collect()
    }

    #[inline(always)]
    fn send(&self, local: &mut Self::Local) {
        let _nobody = self.sends.send(*black_box(&1));
        for (c, receiver) in local.iter_mut().enumerate() {
            // On several threads the ring overtakes a slow one: it goes on with the events that are
            // left.
            while let Ok(x) = receiver.try_recv() {
                add(c as u64, x);
            }
        }
    }

    fn connect(&self, _c: u64) -> Self::Held {
        self.sends.subscribe()
    }

    fn disconnect(&self, held: Self::Held) {
        drop(held);
    }
}
