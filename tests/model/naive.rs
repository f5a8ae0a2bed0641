//! The model: a list of entries, linear searches, Django's rules.
//!
//! It runs the program again and checks each line of the record as it comes to it. If the signal
//! has a choice (when it notices that a weak receiver has died, which receivers an emitter still
//! holds), the model accepts each lawful one and no other.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::marker::PhantomData;

use super::response::Response;
use super::rules::{Frame, Senders};
use super::seen::{Boom, Seen, Who};
use super::{
    FUNCTIONS, From, IDENTITIES, MAX_CONNECTS, METHODS, NAMES, Op, Program, Spec, TARGETS, UIDS,
    What, fill, thin,
};

pub(super) struct Naive<'p, A> {
    program: &'p Program,
    record: std::vec::IntoIter<Seen>,
    op: usize,
    /// In the order of connecting. The dead among them stay until they are found.
    pub(super) entries: Vec<Entry>,
    pub(super) spent: HashSet<usize>,
    /// Once-only receivers that a send which still runs has claimed.
    pub(super) husks: Vec<(usize, Option<Origin>)>,
    pub(super) senders: Senders,
    made: usize,
    pub(super) handles: Vec<Option<usize>>,
    /// The handle of the closure that captures this token.
    pub(super) own: HashMap<usize, usize>,
    guards: Vec<Option<usize>>,
    pub(super) shelf: Vec<Blank>,
    pub(super) targets: [Option<usize>; TARGETS],
    identities: [Option<usize>; IDENTITIES],
    /// References to each target, and to each identity.
    pub(super) strong: HashMap<usize, usize>,
    pub(super) held: HashMap<usize, usize>,
    pub(super) running: Vec<Frame>,
    /// For each script that runs, and the program: may its emitter hold on to something?
    pub(super) pinned: Vec<bool>,
    pub(super) sends: u64,
    pub(super) calls: u64,
    connects: usize,
    tokens: usize,
    target_numbers: usize,
    identity_numbers: usize,
    /// Dead receivers that are surely out of the table.
    pub(super) purged: u64,
    /// Closures that are to be destroyed, because they cannot be called again.
    pub(super) doomed: BTreeSet<usize>,
    /// Targets that have died since the last state.
    pub(super) died: BTreeSet<usize>,
    response: PhantomData<A>,
}

/// A receiver ready to be connected.
#[derive(Clone)]
pub(super) struct Blank {
    pub(super) key: Option<Key>,
    pub(super) sender: Option<Origin>,
    pub(super) who: Who,
    pub(super) script: u8,
    pub(super) priority: i32,
    pub(super) once: bool,
    pub(super) named: bool,
    pub(super) uid: Option<u8>,
    pub(super) target: Option<usize>,
    pub(super) token: Option<usize>,
}

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) ordinal: usize,
    pub(super) blank: Blank,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Uid(u8),
    Function(u8),
    Method(u8, usize),
}

/// A sender as it was when it was named.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    Type(u8),
    Name(&'static str),
    Key(u16),
    Identity(usize),
}

/// A receiver in the middle of its script.
pub(super) struct Part {
    pub(super) me: Who,
    pub(super) call: u64,
    pub(super) refused: bool,
}

/// Runs `program` on the model and compares its record with `record`.
pub(super) fn verify<A: Response>(program: &Program, record: Vec<Seen>) {
    let mut naive = Naive::<A>::new(program, record);
    for (at, op) in program.ops.iter().enumerate() {
        naive.op = at;
        naive.expect(Seen::Op(at));
        if let Err(boom) = naive.exec(op, None) {
            naive.expect(Seen::Panicked(boom));
        }
        naive.check_state();
    }
    naive.op = program.ops.len();
    naive.expect(Seen::Op(program.ops.len()));
    naive.pinned = vec![false];
    for guard in std::mem::take(&mut naive.guards).into_iter().flatten() {
        naive.remove(guard);
    }
    naive.clear_shelf();
    for target in std::mem::take(&mut naive.targets).into_iter().flatten() {
        naive.let_go_of_target(target);
    }
    naive.check_state();
    naive.check_end();
}

impl<'p, A: Response> Naive<'p, A> {
    fn new(program: &'p Program, record: Vec<Seen>) -> Self {
        Naive {
            program,
            record: record.into_iter(),
            op: 0,
            entries: Vec::new(),
            spent: HashSet::new(),
            husks: Vec::new(),
            senders: Senders::default(),
            made: 0,
            handles: Vec::new(),
            own: HashMap::new(),
            guards: Vec::new(),
            shelf: Vec::new(),
            targets: [None; TARGETS],
            identities: [None; IDENTITIES],
            strong: HashMap::new(),
            held: HashMap::new(),
            running: Vec::new(),
            pinned: vec![false],
            sends: 0,
            calls: 0,
            connects: 0,
            tokens: 0,
            target_numbers: 0,
            identity_numbers: 0,
            purged: 0,
            doomed: BTreeSet::new(),
            died: BTreeSet::new(),
            response: PhantomData,
        }
    }

    pub(super) fn script(&self, number: u8) -> &'p [Op] {
        let script = usize::from(number).checked_sub(1);
        script
            .and_then(|at| self.program.scripts.get(at))
            .map_or(&[], Vec::as_slice)
    }

    #[track_caller]
    pub(super) fn expect(&mut self, expected: Seen) {
        let seen = self.next();
        if seen != expected {
            self.fail(&format!("the signal: {seen:?}\n the model: {expected:?}"));
        }
    }

    pub(super) fn next(&mut self) -> Seen {
        let next = self.record.next();
        next.unwrap_or_else(|| self.fail("the signal's record ends here"))
    }

    #[track_caller]
    pub(super) fn fail(&self, what: &str) -> ! {
        let op = self.program.ops.get(self.op);
        panic!(
            "signal and model differ at operation {} ({op:?}):\n{what}",
            self.op
        )
    }

    pub(super) fn exec(&mut self, op: &Op, part: Option<&mut Part>) -> Result<(), Boom> {
        match *op {
            Op::Connect(ref spec) => self.connect_spec(spec),
            Op::ConnectMany(ref specs) => self.connect_specs(specs.iter().cloned()),
            Op::Prepare(ref spec) => {
                let blank = self.prepare(spec);
                self.shelf.extend(blank);
            }
            Op::ConnectShelf => {
                let shelf = std::mem::take(&mut self.shelf);
                self.connect_all(shelf);
            }
            Op::ClearShelf => self.clear_shelf(),
            Op::Fill {
                size,
                spread,
                order,
                at_once: true,
            } => self.connect_specs(fill(size, spread, order)),
            Op::Fill {
                size,
                spread,
                order,
                at_once: false,
            } => {
                fill(size, spread, order).for_each(|spec| self.connect_spec(&spec));
            }
            Op::Thin { count, seed } => {
                let handles = std::mem::take(&mut self.handles);
                let chosen = thin(count, seed, handles.len()).filter_map(|slot| handles[slot]);
                let gone = chosen.filter(|&ordinal| self.remove(ordinal)).count();
                self.handles = handles;
                self.expect(Seen::Counted(gone));
            }
            Op::Disconnect(slot) => {
                let said = self.handle(slot).map(|ordinal| self.remove(ordinal));
                self.say(said);
            }
            Op::DisconnectAndWait(slot) => {
                if let Some(ordinal) = self.handle(slot) {
                    self.disconnect_and_wait(ordinal);
                }
            }
            Op::IsConnected(slot) => {
                let said = self.handle(slot).map(|ordinal| self.is_connected(ordinal));
                self.say(said);
            }
            Op::DropHandle(slot) => {
                let count = self.handles.len().max(1);
                if let Some(handle) = self.handles.get_mut(usize::from(slot) % count) {
                    *handle = None;
                }
            }
            Op::Scope(slot) => {
                if let Some(ordinal) = self.handle(slot) {
                    self.guards.push(Some(ordinal));
                }
            }
            Op::DropGuard(slot) => {
                if let Some(ordinal) = self.guard(slot) {
                    let connected = self.is_connected(ordinal);
                    self.expect(Seen::Said(connected));
                    self.remove(ordinal);
                }
            }
            Op::KeepGuard(slot) => {
                if let Some(ordinal) = self.guard(slot) {
                    self.handles.push(Some(ordinal));
                }
            }
            Op::DisconnectFunction(number) => {
                let gone = self.remove_key(function(number), Some(None));
                self.say(Some(gone > 0));
            }
            Op::DisconnectFunctionFrom(from, number) => {
                let gone = self
                    .origin(from)
                    .map(|origin| self.remove_key(function(number), Some(origin)) > 0);
                self.say(gone);
            }
            Op::DisconnectFunctionEverywhere(number) => {
                let gone = self.remove_key(function(number), None);
                self.count(Some(gone));
            }
            Op::DisconnectWeak { target, method } => {
                let target = self.targets[usize::from(target) % TARGETS];
                let gone = target.map(|target| {
                    self.remove_key(Key::Method(method % METHODS, target), Some(None)) > 0
                });
                self.say(gone);
            }
            Op::DisconnectWeakFrom(from, target, method) => {
                let target = self.targets[usize::from(target) % TARGETS];
                let gone = self.origin(from).zip(target).map(|(origin, target)| {
                    self.remove_key(Key::Method(method % METHODS, target), Some(origin)) > 0
                });
                self.say(gone);
            }
            Op::DisconnectUid(uid) => {
                let gone = self.remove_key(uid_key(uid), Some(None));
                self.say(Some(gone > 0));
            }
            Op::DisconnectUidFrom(from, uid) => {
                let gone = self
                    .origin(from)
                    .map(|origin| self.remove_key(uid_key(uid), Some(origin)) > 0);
                self.say(gone);
            }
            Op::DisconnectUidEverywhere(uid) => {
                let gone = self.remove_key(uid_key(uid), None);
                self.count(Some(gone));
            }
            Op::DisconnectSender(from) => {
                let gone = self
                    .origin(from)
                    .map(|origin| self.remove_where(|blank| blank.sender == origin));
                self.count(gone);
            }
            Op::DisconnectAll => {
                let gone = self.remove_where(|_| true);
                self.count(Some(gone));
            }
            Op::RenewTarget(slot) => {
                let number = self.target_numbers;
                self.target_numbers += 1;
                self.strong.insert(number, 1);
                if let Some(old) = self.targets[usize::from(slot) % TARGETS].replace(number) {
                    self.let_go_of_target(old);
                }
            }
            Op::DropTarget(slot) => {
                if let Some(old) = self.targets[usize::from(slot) % TARGETS].take() {
                    self.let_go_of_target(old);
                }
            }
            Op::RenewIdentity(slot) => {
                let number = self.identity_numbers;
                self.identity_numbers += 1;
                self.held.insert(number, 1);
                if let Some(old) = self.identities[usize::from(slot) % IDENTITIES].replace(number) {
                    self.let_go_of_identity(old);
                }
            }
            Op::DropIdentity(slot) => {
                if let Some(old) = self.identities[usize::from(slot) % IDENTITIES].take() {
                    self.let_go_of_identity(old);
                }
            }
            Op::Purge => self.purge(),
            Op::Send(sending) => return self.send(sending),
            Op::ReleaseEmitter | Op::DropEmitter => {
                *self.pinned.last_mut().expect("never empty") = false
            }
            Op::HasListeners(from) => {
                let said = self.has_listeners(from);
                self.say(said);
            }
            Op::Look => {
                let rows = self.next();
                self.check_rows(rows);
            }
            Op::Unmatched => {
                let unmatched = self.next();
                self.check_unmatched(unmatched);
            }
            Op::DisconnectSelf => {
                if let Some(part) = part {
                    self.disconnect_self(part.me);
                }
            }
            Op::Panic(kind) => {
                if let Some(part) = part {
                    return Err(match kind % 3 {
                        0 => Boom::Text(format!("boom {}", part.call)),
                        1 => Boom::Literal,
                        _ => Boom::Value(part.call),
                    });
                }
            }
            Op::Refuse => {
                if let Some(part) = part {
                    part.refused = true;
                }
            }
        }
        Ok(())
    }

    pub(super) fn say(&mut self, said: Option<bool>) {
        if let Some(said) = said {
            self.expect(Seen::Said(said));
        }
    }

    pub(super) fn count(&mut self, counted: Option<usize>) {
        if let Some(counted) = counted {
            self.expect(Seen::Counted(counted));
        }
    }

    pub(super) fn handle(&self, slot: u16) -> Option<usize> {
        *self
            .handles
            .get(usize::from(slot) % self.handles.len().max(1))?
    }

    fn guard(&mut self, slot: u8) -> Option<usize> {
        let count = self.guards.len().max(1);
        self.guards.get_mut(usize::from(slot) % count)?.take()
    }

    /// Returns the sender as it is now, `Some(None)` for no sender, or `None` if the slot is empty.
    pub(super) fn origin(&self, from: From) -> Option<Option<Origin>> {
        Some(Some(match from {
            From::Nobody => return Some(None),
            From::Type(number) => Origin::Type(number % 3),
            From::Name(number) => Origin::Name(name_of(number)),
            From::Key(number) => Origin::Key(number),
            From::Identity(slot) => {
                Origin::Identity(self.identities[usize::from(slot) % IDENTITIES]?)
            }
        }))
    }

    fn prepare(&mut self, spec: &Spec) -> Option<Blank> {
        self.connects += 1;
        if self.connects > MAX_CONNECTS {
            return None;
        }
        let sender = self.origin(spec.sender.unwrap_or(From::Nobody))?;
        let target = match spec.what {
            What::Weak { target, .. } | What::WeakClosure { target } => {
                Some(self.targets[usize::from(target) % TARGETS]?)
            }
            _ => None,
        };
        let mut token = None;
        let (who, key) = match spec.what {
            What::Function(number) => (Who::Function(number % FUNCTIONS), Some(function(number))),
            What::Pointer(number) => (Who::Function(number % FUNCTIONS), None),
            What::Weak { method, .. } => {
                let (method, target) = (method % METHODS, target.expect("looked up above"));
                (
                    Who::Method { method, target },
                    Some(Key::Method(method, target)),
                )
            }
            What::Closure | What::WeakClosure { .. } => {
                token = Some(self.tokens);
                self.tokens += 1;
                (
                    Who::Closure {
                        token: self.tokens - 1,
                        target,
                    },
                    None,
                )
            }
        };
        Some(Blank {
            key: spec.uid.map(uid_key).or(key),
            sender,
            who,
            script: spec.script_of(),
            priority: spec.priority,
            once: spec.once,
            named: spec.named,
            uid: spec.uid,
            target,
            token,
        })
    }

    fn connect_spec(&mut self, spec: &Spec) {
        let blank = self.prepare(spec);
        self.connect_all(blank.into_iter().collect());
    }

    fn connect_specs(&mut self, specs: impl Iterator<Item = Spec>) {
        let blanks = specs.filter_map(|spec| self.prepare(&spec)).collect();
        self.connect_all(blanks);
    }

    fn connect_all(&mut self, blanks: Vec<Blank>) {
        let mut connected = Vec::new();
        for blank in blanks {
            let (token, sender) = (blank.token, blank.sender);
            let (ordinal, new) = self.connect(blank);
            connected.push((ordinal, new, token, sender));
        }
        for (ordinal, new, token, sender) in connected {
            // Prepared for an identity that has died since.
            if matches!(sender, Some(Origin::Identity(identity)) if self.held[&identity] == 0) {
                self.remove(ordinal);
            }
            self.expect(Seen::Connected { ordinal, new });
            if let (true, Some(token)) = (new, token) {
                self.own.insert(token, self.handles.len());
            }
            self.handles.push(Some(ordinal));
        }
    }

    fn connect(&mut self, blank: Blank) -> (usize, bool) {
        let same = |entry: &&Entry| {
            blank.key.is_some()
                && entry.blank.key == blank.key
                && entry.blank.sender == blank.sender
        };
        let holder = self
            .entries
            .iter()
            .find(same)
            .map(|entry| (entry.ordinal, self.is_alive(entry)));
        match holder {
            Some((first, true)) => {
                self.doomed.extend(blank.token);
                return (first, false);
            }
            Some((dead, false)) => {
                self.remove(dead);
            }
            None => {}
        }
        let ordinal = self.made;
        self.made += 1;
        if let Some(origin) = blank.sender {
            let listed = self.listed(origin);
            self.senders.connected(origin, listed);
        }
        self.entries.push(Entry { ordinal, blank });
        (ordinal, true)
    }
}

fn function(number: u8) -> Key {
    Key::Function(number % FUNCTIONS)
}

fn uid_key(uid: u8) -> Key {
    Key::Uid(uid % UIDS.len() as u8)
}

fn name_of(number: u8) -> &'static str {
    NAMES[usize::from(number) % NAMES.len()]
}
