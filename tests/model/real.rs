//! A program on a real signal.

use fanfare::connections::unmatched_senders;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fanfare::__private::Prepared;
use fanfare::connections::ConnectTarget;
use fanfare::error::WaitError;
use fanfare::{Connection, Emitter, Event, Identity, ReceiverId, ScopedConnection, Sender, Signal};

use super::place::{Placed, QUIET, Target, sender_of, take_dropped};
use super::response::Response;
use super::seen::{Seen, Waited, Who};
use super::sends::{Running, boom, explode};
use super::{IDENTITIES, MAX_CONNECTS, Op, Program, Spec, TARGETS, UIDS, fill, thin};

/// The event, which borrows.
pub(crate) struct Beat<'a> {
    pub(super) serial: u64,
    pub(super) text: &'a str,
}

impl Beat<'_> {
    /// Returns the event of sends that the record leaves out.
    pub(super) fn silent() -> Self {
        Beat {
            serial: u64::MAX,
            text: "",
        }
    }
}

impl Event for Beat<'static> {
    type Args<'a> = Beat<'a>;
}

/// A receiver that is not connected yet, and the number of its token.
type Shelved<A> = (Prepared<Beat<'static>, A>, Option<usize>);

pub(super) struct Real<A: Response> {
    pub(super) signal: Signal<Beat<'static>, A>,
    scripts: Vec<Vec<Op>>,
    seen: RefCell<Vec<Seen>>,
    ordinals: RefCell<HashMap<ReceiverId, usize>>,
    pub(super) handles: RefCell<Vec<Option<Connection>>>,
    /// The handle of the closure that captures this token.
    own: RefCell<HashMap<usize, usize>>,
    guards: RefCell<Vec<Option<ScopedConnection>>>,
    shelf: RefCell<Vec<Shelved<A>>>,
    pub(super) targets: RefCell<[Option<Arc<Target<A>>>; TARGETS]>,
    identities: RefCell<[Option<Rc<Identity>>; IDENTITIES]>,
    pub(super) running: RefCell<Vec<Running>>,
    /// A destructor sends, and the receivers that are called do not act.
    pub(super) muted: Cell<bool>,
    pub(super) broken: Cell<bool>,
    pub(super) sends: Cell<u64>,
    pub(super) calls: Cell<u64>,
    connects: Cell<usize>,
    pub(super) tokens: Cell<usize>,
    pub(super) target_numbers: Cell<usize>,
}

thread_local! {
    static STAGE: RefCell<Option<Rc<dyn Any>>> = const { RefCell::new(None) };
}

/// Returns the program that runs on this thread.
pub(super) fn stage<A: Response>() -> Option<Rc<Real<A>>> {
    let stage = STAGE.with_borrow(Clone::clone)?;
    Some(stage.downcast().expect("one program runs at a time"))
}

/// Clears the stage, also when a program fails.
struct Curtain;

impl Drop for Curtain {
    fn drop(&mut self) {
        QUIET.set(true);
        drop(STAGE.take());
        QUIET.set(false);
        take_dropped();
    }
}

/// An emitter that lives across operations.
pub(super) struct Hand<'s, A: Response> {
    pub(super) emitter: Option<Emitter<'s, Beat<'static>, A>>,
    /// `true` if it may hold on to disconnected receivers.
    pub(super) pinned: bool,
}

/// A receiver in the middle of its script.
struct Part {
    me: Who,
    call: u64,
    refused: bool,
}

/// Runs the program and returns its record.
pub(super) fn run<A: Response>(program: &Program) -> Vec<Seen> {
    let curtain = Curtain;
    let real = Rc::new(Real::<A>::new(&program.scripts));
    STAGE.set(Some(Rc::clone(&real) as _));
    let mut hand = Hand {
        emitter: None,
        pinned: false,
    };
    for (at, op) in program.ops.iter().enumerate() {
        real.see(Seen::Op(at));
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| real.exec(op, None, &mut hand))) {
            real.see(Seen::Panicked(boom(payload)));
        }
        real.look_around(hand.pinned);
    }
    real.see(Seen::Op(program.ops.len()));
    drop(hand);
    drop(real.guards.take());
    drop(real.shelf.take());
    for slot in 0..TARGETS {
        real.drop_target(u8::try_from(slot).expect("the pool is small"));
    }
    real.look_around(false);
    drop(STAGE.take());
    let real = Rc::into_inner(real).expect("nothing else holds the program");
    let mut seen = real.seen.take();
    drop(real);
    let (dropped, _) = take_dropped();
    seen.push(Seen::Ended { dropped });
    drop(curtain);
    seen
}

impl<A: Response> Real<A> {
    fn new(scripts: &[Vec<Op>]) -> Self {
        Real {
            signal: Signal::new(),
            scripts: scripts.to_vec(),
            seen: RefCell::default(),
            ordinals: RefCell::default(),
            handles: RefCell::default(),
            own: RefCell::default(),
            guards: RefCell::default(),
            shelf: RefCell::default(),
            targets: RefCell::default(),
            identities: RefCell::default(),
            running: RefCell::default(),
            muted: Cell::new(false),
            broken: Cell::new(false),
            sends: Cell::new(0),
            calls: Cell::new(0),
            connects: Cell::new(0),
            tokens: Cell::new(0),
            target_numbers: Cell::new(0),
        }
    }

    pub(super) fn see(&self, seen: Seen) {
        self.seen.borrow_mut().push(seen);
    }

    /// Runs the work of every receiver.
    pub(super) fn receive(&self, me: Who, script: u8, sender: Sender<'_>, beat: &Beat<'_>) -> A {
        if self.muted.get() {
            return A::make(0, false);
        }
        {
            let running = self.running.borrow();
            let (from, identity) = running.last().expect("a send is running");
            let expected = sender_of(*from, identity.as_deref());
            assert_eq!(sender, expected, "the receiver was given another sender");
        }
        assert_eq!(beat.text, format!("beat {}", beat.serial));
        let depth = self.running.borrow().len();
        self.see(Seen::Called {
            who: me,
            serial: beat.serial,
            depth,
        });
        let call = self.calls.get();
        self.calls.set(call + 1);
        let mut part = Part {
            me,
            call,
            refused: false,
        };
        let mut hand = Hand {
            emitter: None,
            pinned: false,
        };
        let script = usize::from(script)
            .checked_sub(1)
            .and_then(|at| self.scripts.get(at));
        for op in script.into_iter().flatten() {
            self.exec(op, Some(&mut part), &mut hand);
        }
        A::make(call, part.refused)
    }

    fn exec<'s>(&'s self, op: &Op, part: Option<&mut Part>, hand: &mut Hand<'s, A>) {
        match *op {
            Op::Connect(ref spec) => self.connect(spec),
            Op::ConnectMany(ref specs) => self.connect_many(specs.iter().cloned()),
            Op::Prepare(ref spec) => {
                if let Some((Placed::Prepared(prepared), token)) = self.place(spec, true) {
                    self.shelf.borrow_mut().push((prepared, token));
                }
            }
            Op::ConnectShelf => {
                let shelf = self.shelf.take();
                self.connect_prepared(shelf);
            }
            Op::ClearShelf => drop(self.shelf.take()),
            Op::Fill {
                size,
                spread,
                order,
                at_once: true,
            } => self.connect_many(fill(size, spread, order)),
            Op::Fill {
                size,
                spread,
                order,
                at_once: false,
            } => {
                fill(size, spread, order).for_each(|spec| self.connect(&spec));
            }
            Op::Thin { count, seed } => {
                let handles = self.handles.borrow().len();
                let gone =
                    thin(count, seed, handles).filter(|&slot| self.disconnect(slot) == Some(true));
                let gone = gone.count();
                self.see(Seen::Counted(gone));
            }
            Op::Disconnect(slot) => self.say(self.disconnect(usize::from(slot))),
            Op::DisconnectAndWait(slot) => {
                if let Some(connection) = self.handle(slot) {
                    self.see(Seen::Waited(
                        match connection.disconnect_and_wait(Duration::from_millis(1)) {
                            Ok(()) => Waited::Gone,
                            Err(WaitError::InsideSend) => Waited::InsideSend,
                            Err(_) => Waited::Late,
                        },
                    ));
                }
            }
            Op::IsConnected(slot) => self.say(
                self.handle(slot)
                    .map(|connection| connection.is_connected()),
            ),
            Op::DropHandle(slot) => {
                let handles = self.handles.borrow().len();
                if handles > 0 {
                    let handle = self.handles.borrow_mut()[usize::from(slot) % handles].take();
                    drop(handle);
                }
            }
            Op::Scope(slot) => {
                if let Some(connection) = self.handle(slot) {
                    self.guards.borrow_mut().push(Some(connection.scoped()));
                }
            }
            Op::DropGuard(slot) => {
                if let Some(guard) = self.guard(slot) {
                    self.see(Seen::Said(guard.is_connected()));
                    drop(guard);
                }
            }
            Op::KeepGuard(slot) => {
                if let Some(guard) = self.guard(slot) {
                    self.handles.borrow_mut().push(Some(guard.keep()));
                }
            }
            Op::DisconnectFunction(number) => self.say(Some(self.disconnect_function(number))),
            Op::DisconnectFunctionFrom(from, number) => {
                self.say(
                    self.with_sender(from, |sender| self.disconnect_function_from(sender, number)),
                );
            }
            Op::DisconnectFunctionEverywhere(number) => {
                self.count(Some(self.disconnect_function_everywhere(number)))
            }
            Op::DisconnectWeak { target, method } => self.say(self.disconnect_weak(target, method)),
            Op::DisconnectWeakFrom(from, target, method) => {
                let said = self.with_sender(from, |sender| {
                    self.disconnect_weak_from(sender, target, method)
                });
                self.say(said.flatten());
            }
            Op::DisconnectUid(uid) => self.say(Some(self.signal.disconnect_uid(uid_of(uid)))),
            Op::DisconnectUidFrom(from, uid) => {
                self.say(self.with_sender(from, |sender| {
                    self.signal
                        .options()
                        .sender(sender)
                        .disconnect_uid(uid_of(uid))
                }));
            }
            Op::DisconnectUidEverywhere(uid) => self.count(Some(
                self.signal.options().disconnect_uid_everywhere(uid_of(uid)),
            )),
            Op::DisconnectSender(from) => self
                .count(self.with_sender(from, |sender| self.signal.from(sender).disconnect_all())),
            Op::DisconnectAll => self.count(Some(self.signal.disconnect_all())),
            Op::RenewTarget(slot) => self.renew_target(slot),
            Op::DropTarget(slot) => self.drop_target(slot),
            Op::RenewIdentity(slot) => self.set_identity(slot, Some(Rc::new(Identity::new()))),
            Op::DropIdentity(slot) => self.set_identity(slot, None),
            Op::Purge => self.count(Some(self.signal.purge())),
            Op::Send(sending) => self.send(sending, hand),
            Op::ReleaseEmitter => {
                if let Some(emitter) = &mut hand.emitter {
                    emitter.release();
                }
                hand.pinned = false;
            }
            Op::DropEmitter => {
                hand.emitter = None;
                hand.pinned = false;
            }
            Op::HasListeners(from) => {
                self.say(self.with_sender(from, |sender| self.signal.from(sender).has_listeners()))
            }
            Op::Look => self.look(),
            Op::Unmatched => self.see(Seen::Unmatched(unmatched_senders(&self.signal))),
            Op::DisconnectSelf => {
                if let Some(part) = part {
                    self.disconnect_self(part.me);
                }
            }
            Op::Panic(kind) => {
                if let Some(part) = part {
                    explode(kind, part.call);
                }
            }
            Op::Refuse => {
                if let Some(part) = part {
                    part.refused = true;
                }
            }
        }
    }

    fn say(&self, said: Option<bool>) {
        if let Some(said) = said {
            self.see(Seen::Said(said));
        }
    }

    fn count(&self, counted: Option<usize>) {
        if let Some(counted) = counted {
            self.see(Seen::Counted(counted));
        }
    }

    /// Counts one more connect, or returns `None` if there were too many.
    pub(super) fn count_connect(&self) -> Option<()> {
        self.connects.set(self.connects.get() + 1);
        (self.connects.get() <= MAX_CONNECTS).then_some(())
    }

    fn connect(&self, spec: &Spec) {
        if let Some((Placed::Connected(connection), token)) = self.place(spec, false) {
            self.connected(connection, token);
        }
    }

    fn connect_many(&self, specs: impl Iterator<Item = Spec>) {
        let prepared = specs.filter_map(|spec| match self.place(&spec, true)? {
            (Placed::Prepared(prepared), token) => Some((prepared, token)),
            (Placed::Connected(_), _) => None,
        });
        self.connect_prepared(prepared.collect());
    }

    fn connect_prepared(&self, prepared: Vec<Shelved<A>>) {
        let (prepared, tokens): (Vec<_>, Vec<_>) = prepared.into_iter().unzip();
        let connections = self.signal.change(|changes| {
            for receiver in prepared {
                ConnectTarget::connect(&mut *changes, receiver);
            }
        });
        assert_eq!(connections.len(), tokens.len());
        for (connection, token) in connections.into_iter().zip(tokens) {
            self.connected(connection, token);
        }
    }

    fn connected(&self, connection: Connection, token: Option<usize>) {
        let new = connection.is_new();
        let ordinal = if new {
            let mut ordinals = self.ordinals.borrow_mut();
            let ordinal = ordinals.len();
            let before = ordinals.insert(connection.id(), ordinal);
            assert_eq!(before, None, "{} was given twice", connection.id());
            ordinal
        } else {
            self.ordinal(connection.id())
        };
        self.see(Seen::Connected { ordinal, new });
        let mut handles = self.handles.borrow_mut();
        if let (true, Some(token)) = (new, token) {
            self.own.borrow_mut().insert(token, handles.len());
        }
        handles.push(Some(connection));
    }

    pub(super) fn ordinal(&self, id: ReceiverId) -> usize {
        let ordinals = self.ordinals.borrow();
        *ordinals
            .get(&id)
            .unwrap_or_else(|| panic!("{id} was never given to a new connection"))
    }

    fn handle(&self, slot: u16) -> Option<Connection> {
        let handles = self.handles.borrow();
        handles
            .get(usize::from(slot) % handles.len().max(1))?
            .clone()
    }

    fn disconnect(&self, slot: usize) -> Option<bool> {
        let connection = {
            let handles = self.handles.borrow();
            handles.get(slot % handles.len().max(1))?.clone()?
        };
        Some(connection.disconnect())
    }

    fn guard(&self, slot: u8) -> Option<ScopedConnection> {
        let mut guards = self.guards.borrow_mut();
        let count = guards.len().max(1);
        guards.get_mut(usize::from(slot) % count)?.take()
    }

    pub(super) fn identity(&self, slot: u8) -> Option<Rc<Identity>> {
        self.identities.borrow()[usize::from(slot) % IDENTITIES].clone()
    }

    fn set_identity(&self, slot: u8, identity: Option<Rc<Identity>>) {
        let slot = usize::from(slot) % IDENTITIES;
        let old = std::mem::replace(&mut self.identities.borrow_mut()[slot], identity);
        drop(old);
    }

    fn disconnect_self(&self, me: Who) {
        match me {
            Who::Function(number) => self.count(Some(self.disconnect_function_everywhere(number))),
            Who::Method { method, target } => self.say(self.disconnect_method_of(target, method)),
            Who::Closure { token, .. } => {
                let slot = self.own.borrow().get(&token).copied();
                self.say(slot.and_then(|slot| self.disconnect(slot)));
            }
        }
    }
}

fn uid_of(number: u8) -> &'static str {
    UIDS[usize::from(number) % UIDS.len()]
}
