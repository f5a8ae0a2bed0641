//! The rules of the model: the receivers that are called and removed.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::naive::{Entry, Key, Naive, Origin, Part};
use super::response::{Reply, Response};
use super::seen::{Boom, Caught, Seen, Waited, Who};
use super::{From, MAX_CALLS, MAX_DEPTH, Sending, Stop, Verb};

/// The content of a running send: every entry that its snapshot has, and those that it may have.
#[derive(Default)]
pub(super) struct Frame {
    held: Vec<usize>,
    perhaps: Vec<usize>,
}

/// The senders with receivers, each with whether an event has been sent from it.
#[derive(Default)]
pub(super) struct Senders(pub(super) HashMap<Origin, Sent>);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    No,
    Yes,
    /// It depends on whether a dead or spent receiver was still in the table.
    Perhaps,
}

/// The receivers of a sender that the table has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    None,
    /// Dead or spent ones, which may be out by now.
    Remains,
    Live,
}

impl Senders {
    pub(super) fn connected(&mut self, origin: Origin, listed: Listed) {
        let before = self.0.get(&origin).copied();
        let after = match (listed, before) {
            (Listed::Live, Some(before)) => before,
            (Listed::Remains, Some(Sent::Yes | Sent::Perhaps)) => Sent::Perhaps,
            _ => Sent::No,
        };
        self.0.insert(origin, after);
    }

    fn sent(&mut self, origin: Origin, listed: Listed) {
        match (listed, self.0.get(&origin).copied()) {
            (Listed::Live, _) => self.0.insert(origin, Sent::Yes),
            (Listed::Remains, Some(Sent::No)) => self.0.insert(origin, Sent::Perhaps),
            _ => None,
        };
    }
}

impl<A: Response> Naive<'_, A> {
    pub(super) fn is_alive(&self, entry: &Entry) -> bool {
        entry
            .blank
            .target
            .is_none_or(|target| self.strong[&target] > 0)
    }

    /// Returns `true` if a send from `origin` that started now would call it.
    pub(super) fn reaches(&self, entry: &Entry, origin: Option<Origin>) -> bool {
        (entry.blank.sender.is_none() || entry.blank.sender == origin) && self.is_alive(entry)
    }

    /// Returns `None` if the sender is not there.
    pub(super) fn has_listeners(&self, from: From) -> Option<bool> {
        let origin = self.origin(from)?;
        Some(self.entries.iter().any(|entry| self.reaches(entry, origin)))
    }

    pub(super) fn is_connected(&self, ordinal: usize) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.ordinal == ordinal && self.is_alive(entry))
    }

    pub(super) fn listed(&self, origin: Origin) -> Listed {
        let sender = Some(origin);
        let mut remains = self.husks.iter().any(|(_, of)| *of == sender);
        for entry in self
            .entries
            .iter()
            .filter(|entry| entry.blank.sender == sender)
        {
            if self.is_alive(entry) {
                return Listed::Live;
            }
            remains = true;
        }
        if remains {
            Listed::Remains
        } else {
            Listed::None
        }
    }

    /// Takes an entry out; whether it was in and alive.
    pub(super) fn remove(&mut self, ordinal: usize) -> bool {
        let Some(at) = self
            .entries
            .iter()
            .position(|entry| entry.ordinal == ordinal)
        else {
            return false;
        };
        let alive = self.is_alive(&self.entries[at]);
        let entry = self.entries.remove(at);
        self.doomed.extend(entry.blank.token);
        self.purged += u64::from(!alive);
        alive
    }

    pub(super) fn remove_where(&mut self, chosen: impl Fn(&super::naive::Blank) -> bool) -> usize {
        let chosen = self.entries.iter().filter(|entry| chosen(&entry.blank));
        let chosen: Vec<_> = chosen.map(|entry| entry.ordinal).collect();
        chosen
            .into_iter()
            .filter(|&ordinal| self.remove(ordinal))
            .count()
    }

    /// Removes the receivers that have this key, for the sender in `from` or, without one, for
    /// each.
    pub(super) fn remove_key(&mut self, key: Key, from: Option<Option<Origin>>) -> usize {
        self.remove_where(|blank| {
            blank.key == Some(key) && from.is_none_or(|sender| blank.sender == sender)
        })
    }

    pub(super) fn purge(&mut self) {
        let dead = self.entries.iter().filter(|entry| !self.is_alive(entry));
        let dead: Vec<_> = dead.map(|entry| entry.ordinal).collect();
        match self.next() {
            Seen::Counted(purged) if purged <= dead.len() => {}
            seen => self.fail(&format!(
                "the signal purged {seen:?}, of at most {}",
                dead.len()
            )),
        }
        for ordinal in dead {
            self.remove(ordinal);
        }
    }

    pub(super) fn clear_shelf(&mut self) {
        let shelf = std::mem::take(&mut self.shelf);
        self.doomed
            .extend(shelf.into_iter().filter_map(|blank| blank.token));
    }

    pub(super) fn let_go_of_target(&mut self, target: usize) {
        let strong = self.strong.get_mut(&target).expect("it was made");
        *strong -= 1;
        if *strong == 0 {
            self.died.insert(target);
        }
    }

    pub(super) fn let_go_of_identity(&mut self, identity: usize) {
        let held = self.held.get_mut(&identity).expect("it was made");
        *held -= 1;
        if *held == 0 {
            self.remove_where(|blank| blank.sender == Some(Origin::Identity(identity)));
        }
    }

    pub(super) fn disconnect_self(&mut self, me: Who) {
        match me {
            Who::Function(number) => {
                let gone = self.remove_key(Key::Function(number), None);
                self.count(Some(gone));
            }
            Who::Method { method, target } => {
                if self.targets.contains(&Some(target)) {
                    let gone = self.remove_key(Key::Method(method, target), Some(None));
                    self.say(Some(gone > 0));
                }
            }
            Who::Closure { token, .. } => {
                let handle = self.own.get(&token).and_then(|&slot| self.handles[slot]);
                let said = handle.map(|ordinal| self.remove(ordinal));
                self.say(said);
            }
        }
    }

    pub(super) fn disconnect_and_wait(&mut self, ordinal: usize) {
        self.remove(ordinal);
        let held = self
            .running
            .iter()
            .any(|frame| frame.held.contains(&ordinal));
        let perhaps = self
            .running
            .iter()
            .any(|frame| frame.perhaps.contains(&ordinal));
        let pinned = self.pinned.contains(&true);
        let inside = !self.running.is_empty();
        let seen = self.next();
        let lawful = match seen {
            Seen::Waited(Waited::InsideSend) => held || inside && (perhaps || pinned),
            Seen::Waited(Waited::Gone) => !held,
            Seen::Waited(Waited::Late) => !inside && pinned,
            _ => false,
        };
        if !lawful {
            self.fail(&format!(
                "the signal: {seen:?}\n the model: {ordinal} is held {held} or {perhaps}, pinned {pinned}"
            ));
        }
    }

    pub(super) fn send(&mut self, sending: Sending) -> Result<(), Boom> {
        if self.running.len() >= MAX_DEPTH || self.calls >= MAX_CALLS {
            return Ok(());
        }
        let Some(origin) = self.origin(sending.from) else {
            return Ok(());
        };
        if let Some(Origin::Identity(identity)) = origin {
            *self.held.get_mut(&identity).expect("it is in the pool") += 1;
        }
        let serial = self.sends;
        self.sends += 1;
        if sending.emitter {
            *self.pinned.last_mut().expect("never empty") = true;
        }
        let sent = self.send_from(origin, sending.verb, serial);
        let outcome = match sent {
            Ok(seen) => {
                self.expect(seen);
                Ok(())
            }
            Err(boom) if sending.caught => {
                self.expect(Seen::Panicked(boom));
                Ok(())
            }
            Err(boom) => Err(boom),
        };
        if let Some(Origin::Identity(identity)) = origin {
            self.let_go_of_identity(identity);
        }
        outcome
    }

    fn send_from(&mut self, origin: Option<Origin>, verb: Verb, serial: u64) -> Result<Seen, Boom> {
        if let Some(origin) = origin {
            let listed = self.listed(origin);
            self.senders.sent(origin, listed);
        }
        let mut frame = Frame::default();
        for entry in &self.entries {
            let list = if self.is_alive(entry) {
                &mut frame.held
            } else {
                &mut frame.perhaps
            };
            list.push(entry.ordinal);
        }
        let reached = self
            .entries
            .iter()
            .filter(|entry| self.reaches(entry, origin));
        let mut reached: Vec<Entry> = reached.cloned().collect();
        reached.sort_by_key(|entry| Reverse(entry.blank.priority));
        let pins: Vec<usize> = reached
            .iter()
            .filter_map(|entry| entry.blank.target)
            .collect();
        for pin in &pins {
            *self.strong.get_mut(pin).expect("it is alive") += 1;
        }
        let husks = self.husks.len();
        self.running.push(frame);
        let seen = self.walk(&reached, verb, serial);
        self.running.pop();
        self.husks.truncate(husks);
        for pin in pins {
            self.let_go_of_target(pin);
        }
        seen
    }

    fn walk(&mut self, reached: &[Entry], verb: Verb, serial: u64) -> Result<Seen, Boom> {
        let mut responses = Vec::new();
        let mut robust = Vec::new();
        for entry in reached {
            if entry.blank.once && !self.claim(entry) {
                continue;
            }
            let response = self.call(entry, serial);
            let reply = match (verb, response) {
                (Verb::Robust, Err(boom)) => {
                    let name = entry.blank.named.then(|| String::from("drummer"));
                    robust.push(Err(Caught {
                        ordinal: entry.ordinal,
                        name,
                        boom,
                    }));
                    continue;
                }
                (_, response) => response?,
            };
            robust.push(Ok(reply));
            if matches!((verb, reply), (Verb::Try, Reply::No(_))) {
                return Ok(Seen::Tried {
                    before: kept::<A>(responses),
                    error: Some((entry.ordinal, reply)),
                });
            }
            responses.push((entry.ordinal, reply));
            match verb {
                Verb::Until(stop) if stops(stop, responses.len())? => {
                    return Ok(Seen::First(Some((entry.ordinal, reply))));
                }
                Verb::Each(stop) if stops(stop, responses.len())? => {
                    return Ok(Seen::Each {
                        responses,
                        broke: true,
                    });
                }
                _ => {}
            }
        }
        Ok(match verb {
            Verb::Try if A::RESULTS => Seen::Tried {
                before: kept::<A>(responses),
                error: None,
            },
            Verb::Send | Verb::Try => Seen::Responses(kept::<A>(responses)),
            Verb::Robust => Seen::Robust(robust),
            Verb::Until(_) => Seen::First(None),
            Verb::Each(_) => Seen::Each {
                responses,
                broke: false,
            },
        })
    }

    /// Takes the only run of a once-only receiver, which ends its connection.
    fn claim(&mut self, entry: &Entry) -> bool {
        let first = self.spent.insert(entry.ordinal);
        if first && self.remove(entry.ordinal) {
            self.husks.push((entry.ordinal, entry.blank.sender));
        }
        first
    }

    fn call(&mut self, entry: &Entry, serial: u64) -> Result<Reply, Boom> {
        let depth = self.running.len();
        self.expect(Seen::Called {
            who: entry.blank.who,
            serial,
            depth,
        });
        let call = self.calls;
        self.calls += 1;
        let mut part = Part {
            me: entry.blank.who,
            call,
            refused: false,
        };
        self.pinned.push(false);
        let script = self.script(entry.blank.script);
        let ran = script
            .iter()
            .try_for_each(|op| self.exec(op, Some(&mut part)));
        self.pinned.pop();
        ran.map(|()| A::expected(call, part.refused))
    }
}

/// Returns the responses as `Responses` keep them: without content, only their number.
fn kept<A: Response>(responses: Vec<(usize, Reply)>) -> Vec<(Option<usize>, Reply)> {
    responses
        .into_iter()
        .map(|(ordinal, reply)| (A::KEPT.then_some(ordinal), reply))
        .collect()
}

fn stops(stop: Stop, asked: usize) -> Result<bool, Boom> {
    match stop {
        Stop::At(at) => Ok(usize::from(at) == asked),
        Stop::Panic(at) if usize::from(at) == asked => Err(Boom::Value(u64::MAX)),
        Stop::Never | Stop::Panic(_) => Ok(false),
    }
}
