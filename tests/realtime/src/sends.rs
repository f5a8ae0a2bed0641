//! The sends, each below a function that must not block, allocate or free.

use std::hint::black_box;
use std::ops::ControlFlow;

use fanfare::{Emitter, Sender, Signal};

use crate::changes::LINGER;

/// The sender for which some of the receivers are connected.
pub(crate) const SENDER: Sender<'static> = Sender::key(7);

/// A thread's means of sending.
pub(crate) struct Desk {
    pub(crate) signal: &'static Signal<u64>,
    /// The event. Some events are `LINGER`.
    event: u64,
    emitter: Emitter<'static, u64>,
}

impl Desk {
    pub(crate) fn new(signal: &'static Signal<u64>) -> Self {
        Desk {
            signal,
            event: LINGER,
            emitter: signal.emitter(),
        }
    }

    pub(crate) fn send(&mut self, way: &Way) {
        (way.send)(self);
        self.event = (self.event + 1) % 16;
    }
}

/// A way of sending.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// The receivers that stay connected throughout.
    pub(crate) receivers: u64,
    /// `true` if every second receiver is connected for `SENDER` alone.
    pub(crate) for_sender: bool,
    send: fn(&mut Desk),
}

const fn way(name: &'static str, receivers: u64, send: fn(&mut Desk)) -> Way {
    Way {
        name,
        receivers,
        for_sender: false,
        send,
    }
}

const fn by_sender(name: &'static str, receivers: u64, send: fn(&mut Desk)) -> Way {
    Way {
        for_sender: true,
        ..way(name, receivers, send)
    }
}

pub(crate) const WAYS: [Way; 19] = [
    way("send to 0 receivers", 0, send),
    way("send to 1 receiver", 1, send),
    way("send to 4 receivers", 4, send),
    way("send to 64 receivers", 64, send),
    way("send to 1,000 receivers", 1_000, send),
    by_sender("send by sender to 0 receivers", 0, send_by_sender),
    by_sender("send by sender to 1 receiver", 1, send_by_sender),
    by_sender("send by sender to 4 receivers", 4, send_by_sender),
    by_sender("send by sender to 64 receivers", 64, send_by_sender),
    by_sender("send by sender to 1,000 receivers", 1_000, send_by_sender),
    by_sender("send_each to 4 receivers", 4, send_each),
    by_sender("send in send_each to 4 receivers", 4, send_nested),
    by_sender("send_robust to 4 receivers", 4, send_robust),
    by_sender("send_batch to 4 receivers", 4, send_batch),
    by_sender("has_listeners with 0 receivers", 0, has_listeners),
    by_sender("has_listeners with 4 receivers", 4, has_listeners),
    way("Emitter::send to 0 receivers", 0, emitter_send),
    way("Emitter::send to 4 receivers", 4, emitter_send),
    by_sender("all sends of an Emitter to 4 receivers", 4, emitter_sends),
];

#[sanitize(realtime = "nonblocking")]
fn send(desk: &mut Desk) {
    black_box(desk.signal.send(&desk.event));
}

#[sanitize(realtime = "nonblocking")]
fn send_by_sender(desk: &mut Desk) {
    black_box(desk.signal.from(SENDER).send(&desk.event));
}

#[sanitize(realtime = "nonblocking")]
fn send_each(desk: &mut Desk) {
    let _ = black_box(
        desk.signal
            .from(SENDER)
            .send_each(&desk.event, |receiver, ()| {
                black_box(receiver);
                ControlFlow::<()>::Continue(())
            }),
    );
}

#[sanitize(realtime = "nonblocking")]
fn send_nested(desk: &mut Desk) {
    let _ = black_box(desk.signal.from(SENDER).send_each(&desk.event, |_, ()| {
        black_box(desk.signal.from(SENDER).send(&desk.event));
        ControlFlow::<()>::Continue(())
    }));
}

#[sanitize(realtime = "nonblocking")]
fn send_robust(desk: &mut Desk) {
    black_box(desk.signal.from(SENDER).send_robust(&desk.event));
}

#[sanitize(realtime = "nonblocking")]
fn send_batch(desk: &mut Desk) {
    black_box(desk.signal.from(SENDER).send_batch(&[1, desk.event, 3]));
}

#[sanitize(realtime = "nonblocking")]
fn has_listeners(desk: &mut Desk) {
    black_box(desk.signal.from(SENDER).has_listeners());
}

#[sanitize(realtime = "nonblocking")]
fn emitter_send(desk: &mut Desk) {
    black_box(desk.emitter.send(&desk.event));
}

#[sanitize(realtime = "nonblocking")]
fn emitter_sends(desk: &mut Desk) {
    black_box(desk.emitter.from(SENDER).send(&desk.event));
    black_box(desk.emitter.from(SENDER).send_robust(&desk.event));
    let _ = black_box(
        desk.emitter
            .from(SENDER)
            .send_each(&desk.event, |receiver, ()| {
                black_box(receiver);
                ControlFlow::<()>::Continue(())
            }),
    );
}
