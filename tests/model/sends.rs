//! The sends of a program on a real signal, and what can be looked up between them.

use fanfare::connections::{purged, unmatched_senders};
use std::any::Any;
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use fanfare::responses::RobustResponses;
use fanfare::{Connection, Identity, ReceiverId, ReceiverPanic, Sender};

use super::place::{sender_of, take_dropped};
use super::real::{Beat, Hand, Real};
use super::response::{self, Reply, Response};
use super::seen::{Boom, Caught, Row, Seen, State};
use super::{From, LISTENED, MAX_CALLS, MAX_DEPTH, SMALL, Sending, Stop, Verb};

/// A send that is running, by its sender.
pub(super) type Running = (From, Option<Rc<Identity>>);

/// A panic payload that is no text.
struct Blast(u64);

/// Returns the payload of a panic that a program asked for. Any other panic goes on.
pub(super) fn boom(payload: Box<dyn Any + Send>) -> Boom {
    let payload = match payload.downcast::<String>() {
        Ok(text) if text.starts_with("boom ") => return Boom::Text(*text),
        Ok(text) => text as Box<dyn Any + Send>,
        Err(payload) => payload,
    };
    match payload.downcast::<Blast>() {
        Ok(blast) => Boom::Value(blast.0),
        Err(payload) if payload.downcast_ref() == Some(&"boom") => Boom::Literal,
        Err(payload) => resume_unwind(payload),
    }
}

/// Panics without the message that a panic hook would print.
pub(super) fn explode(kind: u8, call: u64) -> ! {
    match kind % 3 {
        0 => resume_unwind(Box::new(format!("boom {call}"))),
        1 => resume_unwind(Box::new("boom")),
        _ => resume_unwind(Box::new(Blast(call))),
    }
}

/// Marks a send as running, until the end of the send or of its unwinding.
struct Marked<'r>(&'r RefCell<Vec<Running>>);

impl Drop for Marked<'_> {
    fn drop(&mut self) {
        let ended = self.0.borrow_mut().pop();
        drop(ended);
    }
}

impl<A: Response> Real<A> {
    pub(super) fn send<'s>(&'s self, sending: Sending, hand: &mut Hand<'s, A>) {
        if self.running.borrow().len() >= MAX_DEPTH || self.calls.get() >= MAX_CALLS {
            return;
        }
        self.with_sender(sending.from, |sender| {
            let serial = self.sends.get();
            self.sends.set(serial + 1);
            let text = format!("beat {serial}");
            let beat = Beat {
                serial,
                text: &text,
            };
            let mut go = || {
                let identity = match sending.from {
                    From::Identity(slot) => self.identity(slot),
                    _ => None,
                };
                self.running.borrow_mut().push((sending.from, identity));
                let _marked = Marked(&self.running);
                let seen = self.send_marked(sending, sender, &beat, hand);
                self.see(seen);
            };
            if !sending.caught {
                go();
            } else if let Err(payload) = catch_unwind(AssertUnwindSafe(go)) {
                self.see(Seen::Panicked(boom(payload)));
            }
        });
    }

    fn send_marked<'s>(
        &'s self,
        sending: Sending,
        sender: Sender<'_>,
        beat: &Beat<'_>,
        hand: &mut Hand<'s, A>,
    ) -> Seen {
        let mut emitter = sending.emitter.then(|| {
            hand.pinned = true;
            hand.emitter.get_or_insert_with(|| self.signal.emitter())
        });
        match sending.verb {
            Verb::Try if A::RESULTS => {
                let tried = A::send_until_err(&self.signal, sender, beat)
                    .expect("the returned are results");
                Seen::Tried {
                    before: self.ordinals(tried.before),
                    error: tried.error.map(|(id, reply)| (self.ordinal(id), reply)),
                }
            }
            Verb::Send | Verb::Try => {
                let responses = match &mut emitter {
                    Some(emitter) => emitter.from(sender).send(beat),
                    None => self.signal.from(sender).send(beat),
                };
                Seen::Responses(self.ordinals(A::pairs(responses)))
            }
            Verb::Robust => {
                let responses = match &mut emitter {
                    Some(emitter) => emitter.from(sender).send_robust(beat),
                    None => self.signal.from(sender).send_robust(beat),
                };
                Seen::Robust(self.robust(responses))
            }
            Verb::Until(stop) => {
                let mut asked = 0;
                let first = self.signal.from(sender).send_until(beat, |_response| {
                    asked += 1;
                    stops(stop, asked)
                });
                Seen::First(first.map(|first| (self.ordinal(first.receiver), first.value.reply())))
            }
            Verb::Each(stop) => {
                let mut returned = Vec::new();
                let visit = |id: ReceiverId, response: A| {
                    returned.push((self.ordinal(id), response.reply()));
                    if stops(stop, returned.len()) {
                        ControlFlow::Break(returned.len())
                    } else {
                        ControlFlow::Continue(())
                    }
                };
                let flow = match &mut emitter {
                    Some(emitter) => emitter.from(sender).send_each(beat, visit),
                    None => self.signal.from(sender).send_each(beat, visit),
                };
                if let ControlFlow::Break(at) = flow {
                    assert_eq!(at, returned.len());
                }
                Seen::Each {
                    broke: flow.is_break(),
                    responses: returned,
                }
            }
        }
    }

    fn ordinals(&self, pairs: Vec<(Option<ReceiverId>, Reply)>) -> Vec<(Option<usize>, Reply)> {
        pairs
            .into_iter()
            .map(|(id, reply)| (id.map(|id| self.ordinal(id)), reply))
            .collect()
    }

    fn robust(&self, responses: RobustResponses<A>) -> Vec<Result<Reply, Caught>> {
        let told = |failure: &ReceiverPanic| {
            (
                failure.receiver(),
                failure.name().to_owned(),
                failure.message().to_owned(),
            )
        };
        let borrowed: Vec<_> = responses
            .iter()
            .map(|result| result.map(A::reply).map_err(told))
            .collect();
        assert_eq!(borrowed.len(), responses.len());
        assert_eq!(borrowed.is_empty(), responses.is_empty());
        assert_eq!(borrowed.iter().all(Result::is_ok), responses.all_ok());
        let failures: Vec<_> = responses.panics().map(told).collect();
        assert_eq!(
            borrowed
                .iter()
                .filter_map(|result| result.clone().err())
                .collect::<Vec<_>>(),
            failures
        );
        let owned = responses
            .into_iter()
            .zip(borrowed)
            .map(|(result, borrowed)| match (result, borrowed) {
                (Ok(response), Ok(reply)) => {
                    assert_eq!(response.reply(), reply);
                    Ok(reply)
                }
                (Err(failure), Err((receiver, name, message))) => {
                    assert!(failure.to_string().contains(&message), "{failure}");
                    assert!(!name.is_empty());
                    let boom = boom(failure.into_panic());
                    match &boom {
                        Boom::Text(text) => assert_eq!(*text, message),
                        Boom::Literal => assert_eq!(message, "boom"),
                        Boom::Value(_) => assert!(!message.is_empty()),
                    }
                    Err(Caught {
                        ordinal: self.ordinal(receiver),
                        name: given(&name),
                        boom,
                    })
                }
                _ => panic!("a robust response differs when owned"),
            });
        owned.collect()
    }

    /// Writes down the observations that are checked after every operation.
    pub(super) fn look_around(&self, pinned: bool) {
        assert_eq!(response::alive(), 0, "a response was leaked");
        // A change frees the receivers that sends have held, although it finds no receiver.
        assert!(!self.signal.disconnect_uid("of nothing"));
        let len = self.signal.receiver_count();
        assert_eq!(self.signal.receiver_count() == 0, len == 0);
        if len <= SMALL {
            self.look();
            self.see(Seen::Unmatched(unmatched_senders(&self.signal)));
            let listeners =
                LISTENED.map(|from| self.signal.from(sender_of(from, None)).has_listeners());
            self.see(Seen::Listeners(listeners.to_vec()));
        }
        let handles = self.handles.borrow();
        if handles.len() <= SMALL {
            let connected = handles.iter().flatten().map(Connection::is_connected);
            self.see(Seen::Handles(connected.collect()));
        }
        assert!(!self.broken.get(), "a destructor found the signal broken");
        let (dropped, targets) = take_dropped();
        // `has_listeners` may have taken out some of the dead.
        self.see(Seen::State(State {
            len: self.signal.receiver_count(),
            purged: purged(&self.signal),
            dropped,
            targets,
            pinned,
        }));
    }

    /// Writes down the list of connections.
    pub(super) fn look(&self) {
        let rows = self.signal.connections().into_iter().map(|info| Row {
            ordinal: self.ordinal(info.id),
            sender: info.sender.map(|sender| sender.to_string()),
            name: given(&info.name),
            uid: info.dispatch_uid.map(|uid| uid.to_string()),
            priority: info.priority,
            once: info.max_calls.is_some(),
            weak: info.weak,
            live: info.live,
        });
        self.see(Seen::Rows(rows.collect()));
    }
}

/// Returns the name, unless it is the one that a receiver has of itself.
fn given(name: &str) -> Option<String> {
    (name == "drummer").then(|| name.to_owned())
}

fn stops(stop: Stop, asked: usize) -> bool {
    match stop {
        Stop::Never => false,
        Stop::At(at) => usize::from(at) == asked,
        Stop::Panic(at) if usize::from(at) == asked => explode(2, u64::MAX),
        Stop::Panic(_) => false,
    }
}
