//! A program as it runs on fanfare.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::Poll;

use fanfare::responses::RobustResponses;
use fanfare::{Connection, Identity, ReceiverId, Responses, Sender, Signal};
use futures_util::FutureExt;

use crate::program::{From, Op, Program, Receiver, Sending, Uid, Verb, parse};
use crate::receivers::{self, Reply, Sent, Target};
use crate::rules::{Counts, Rule};

const MAX_CALLS: u32 = 150;
const MAX_DEPTH: u32 = 3;
const MAX_DEPTH_OF_TASKS: u32 = 2;

/// A failure of a receiver, by its name in the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) String);

/// The counterpart of the exceptions of receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failures {
    /// Receivers panic.
    Panics,
    /// Receivers return an `Err`, and `send_until_err` is the counterpart of `send`.
    Errors,
}

/// The outcome of one receiver in a send.
enum Outcome {
    Value(u32),
    /// The receiver returned an error as its response.
    Returned(Fault),
    Failed(Fault),
}

/// The outcomes of a send, or the failure that ended it.
type Outcomes = Result<Vec<(ReceiverId, Outcome)>, Fault>;

pub(crate) struct World {
    signal: Signal<Sent, Reply>,
    failures: Failures,
    scripts: HashMap<String, Vec<Op>>,
    has_tasks: bool,
    state: Mutex<State>,
}

struct State {
    lines: Vec<String>,
    counts: Counts,
    calls: u32,
    targets: [Option<Arc<Target>>; 3],
    identities: Vec<Named>,
    /// All identities so far, by their names.
    known: Vec<(String, Weak<Identity>)>,
    /// A number for each closure, which a fresh closure replaces.
    closures: [u32; 2],
    closure_connections: Vec<(ClosureKey, Connection)>,
    /// The receiver of each connection, and its place in a look.
    connected: HashMap<ReceiverId, (Receiver, String)>,
}

/// A closure, its number, and the sender that it was connected for.
type ClosureKey = (usize, u32, String);

#[derive(Clone)]
struct Named {
    name: String,
    identity: Arc<Identity>,
}

/// A sender that lives as long as an operation.
enum Held {
    None,
    Type(Sender<'static>, &'static str),
    Name(&'static str, &'static str),
    Key(u32, &'static str),
    Identity(Named),
}

struct Shop;
struct Till;

fn fixed(from: From) -> Held {
    match from {
        From::Type(0) => Held::Type(Sender::of::<Shop>(), "T0"),
        From::Type(_) => Held::Type(Sender::of::<Till>(), "T1"),
        From::Name(0) => Held::Name("order", "N0"),
        From::Name(_) => Held::Name("invoice", "N1"),
        From::Key(0) => Held::Key(1_000, "K0"),
        From::Key(_) => Held::Key(2_000, "K1"),
        From::None | From::Identity(_) => Held::None,
    }
}

impl Held {
    fn sender(&self) -> Sender<'_> {
        match self {
            Held::None => Sender::NONE,
            Held::Type(sender, _) => *sender,
            Held::Name(text, _) => Sender::named(text),
            Held::Key(key, _) => Sender::from(*key),
            Held::Identity(named) => Sender::identity(&named.identity),
        }
    }

    fn name(&self) -> &str {
        match self {
            Held::None => "-",
            Held::Type(_, name) | Held::Name(_, name) | Held::Key(_, name) => name,
            Held::Identity(named) => &named.name,
        }
    }
}

thread_local! {
    static WORLD: RefCell<Option<Arc<World>>> = const { RefCell::new(None) };
}

/// Returns `true` if this thread runs a program. Panics are then a part of it.
pub(crate) fn is_running() -> bool {
    WORLD.with_borrow(Option::is_some)
}

/// Runs a program, and returns its trace and the rules that applied.
pub(crate) fn run(program: &Program, failures: Failures) -> (Vec<String>, Counts) {
    let names = program.scripts.iter().map(|(name, _)| name);
    let scripts = names.map(|name| (name.clone(), program.script(name)));
    let world = Arc::new(World {
        signal: Signal::new(),
        failures,
        scripts: scripts.collect(),
        has_tasks: program.has_tasks(),
        state: Mutex::new(State {
            lines: Vec::new(),
            counts: Counts::default(),
            calls: 0,
            targets: [0, 1, 2].map(|number| Some(Arc::new(Target { number }))),
            identities: Vec::new(),
            known: Vec::new(),
            closures: [0; 2],
            closure_connections: Vec::new(),
            connected: HashMap::new(),
        }),
    });
    WORLD.set(Some(Arc::clone(&world)));
    world.renew(0);
    world.renew(1);
    for op in &program.ops {
        let op = parse(op);
        if let Err(fault) = world.step(&op, 0) {
            world.see(0, &format!("unexpected:{}", fault.0));
        }
    }
    WORLD.set(None);
    let mut state = world.state();
    (
        std::mem::take(&mut state.lines),
        std::mem::take(&mut state.counts),
    )
}

impl World {
    /// Returns the program that this thread runs.
    pub(crate) fn current() -> Arc<World> {
        WORLD.with_borrow(|world| Arc::clone(world.as_ref().expect("a program runs")))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics under the lock")
    }

    fn see(&self, depth: u32, line: &str) {
        self.state().lines.push(format!("{depth} {line}"));
    }

    // ---- receivers

    pub(crate) fn call(&self, receiver: Receiver, sender: Sender<'_>, event: &Sent) -> Reply {
        self.reply(self.try_call(receiver, sender, event))
    }

    pub(crate) async fn call_async(
        &self,
        receiver: Receiver,
        sender: Sender<'_>,
        event: &Sent,
    ) -> Reply {
        self.reply(self.try_call_async(receiver, sender, event).await)
    }

    /// Turns the failure of a receiver into a panic or an `Err`.
    fn reply(&self, result: Result<Reply, Fault>) -> Reply {
        match (result, self.failures) {
            (Ok(reply), _) => reply,
            (Err(fault), Failures::Panics) => resume_unwind(Box::new(fault)),
            (Err(fault), Failures::Errors) => Err(fault),
        }
    }

    fn try_call(
        &self,
        receiver: Receiver,
        sender: Sender<'_>,
        event: &Sent,
    ) -> Result<Reply, Fault> {
        let (value, depth) = *event;
        for op in self.begin(receiver, sender, event) {
            match op {
                Op::ReturnError(fault) => return Ok(Err(Fault(fault.clone()))),
                _ => self.step(op, depth)?,
            }
        }
        Ok(Ok(value + 1))
    }

    async fn try_call_async(
        &self,
        receiver: Receiver,
        sender: Sender<'_>,
        event: &Sent,
    ) -> Result<Reply, Fault> {
        let (value, depth) = *event;
        for op in self.begin(receiver, sender, event) {
            match op {
                Op::ReturnError(fault) => return Ok(Err(Fault(fault.clone()))),
                Op::Yield => yield_once().await,
                Op::Send(sending) if matches!(sending.verb, Verb::Asend | Verb::AsendRobust) => {
                    self.asend(*sending, depth).await?;
                }
                _ => self.step(op, depth)?,
            }
        }
        Ok(Ok(value + 1))
    }

    /// Notes the call of a receiver, and returns the operations that it runs.
    fn begin(&self, receiver: Receiver, sender: Sender<'_>, event: &Sent) -> &[Op] {
        let (value, depth) = *event;
        let from = self.name_of(sender);
        self.see(depth, &format!("call {receiver} {from} {value}"));
        let mut state = self.state();
        state.calls += 1;
        if !self.has_tasks && state.calls > MAX_CALLS {
            return &[];
        }
        self.scripts
            .get(&receiver.script())
            .map_or(&[], Vec::as_slice)
    }

    // ---- operations

    fn step(&self, op: &Op, depth: u32) -> Result<(), Fault> {
        match op {
            Op::Connect(receiver, from, uid) => self.connect(*receiver, *from, *uid, depth),
            Op::Disconnect(receiver, from, uid) => self.disconnect(*receiver, *from, *uid, depth),
            Op::Drop(target) => {
                let dead = self.state().targets[*target].take();
                drop(dead);
            }
            Op::Make(number) => {
                let new = Arc::new(Target { number: *number });
                let dead = self.state().targets[*number].replace(new);
                drop(dead);
            }
            Op::Fresh(closure) => self.state().closures[*closure] += 1,
            Op::Renew(number) => self.renew(*number),
            Op::Send(sending) => match sending.verb {
                Verb::Send | Verb::Robust => self.send(*sending, depth)?,
                Verb::Asend | Verb::AsendRobust => {
                    pollster::block_on(self.asend(*sending, depth))?;
                }
            },
            Op::Listeners(from) => {
                let held = self.held(*from);
                let has_listeners = self.signal.from(held.sender()).has_listeners();
                self.see(depth, &format!("listeners {has_listeners}"));
            }
            Op::Look => self.look(depth),
            Op::Raise(fault) => return Err(Fault(fault.clone())),
            Op::Exit => return Err(Fault("exit".to_owned())),
            Op::ReturnError(_) | Op::Yield => panic!("only receivers do this: {op:?}"),
        }
        Ok(())
    }

    fn connect(&self, receiver: Receiver, from: From, uid: Uid, depth: u32) {
        let target = match self.target(receiver) {
            Ok(target) => target,
            Err(Gone) => return,
        };
        let held = self.held(from);
        let mut options = self.signal.options().sender(held.sender());
        let uid = self.checked(uid);
        if let Some(uid) = uid {
            options = options.dispatch_uid(uid);
        }
        let is_twin = uid.is_none() && self.is_connected_closure(receiver, &held);
        let connection = receivers::connect(options, receiver, target.as_ref());
        let is_new = if is_twin {
            // Django has one connection here.
            assert!(connection.is_new() && connection.disconnect());
            self.state().counts.add(Rule::ClosuresDiffer);
            false
        } else {
            connection.is_new()
        };
        if is_new {
            let mut state = self.state();
            let place = format!("{receiver}/{}/{}", held.name(), uid.unwrap_or("-"));
            state.connected.insert(connection.id(), (receiver, place));
            if let (Receiver::Closure(closure), None) = (receiver, uid) {
                let key = (closure, state.closures[closure], held.name().to_owned());
                state.closure_connections.push((key, connection));
            }
        }
        self.see(depth, if is_new { "connect new" } else { "connect old" });
    }

    fn disconnect(&self, receiver: Option<Receiver>, from: From, uid: Uid, depth: u32) {
        let target = match receiver.map_or(Ok(None), |receiver| self.target(receiver)) {
            Ok(target) => target,
            Err(Gone) => return,
        };
        let held = self.held(from);
        let options = self.signal.options().sender(held.sender());
        let done = match (receiver, self.checked(uid)) {
            (None | Some(Receiver::Closure(_)), Some(uid)) => options.disconnect_uid(uid),
            (Some(receiver), Some(uid)) => {
                receivers::disconnect(options.dispatch_uid(uid), receiver, target.as_ref())
            }
            (Some(receiver @ Receiver::Closure(_)), None) => {
                let connection = self.closure_connection(receiver, &held);
                connection.is_some_and(|connection| connection.disconnect())
            }
            (Some(receiver), None) => receivers::disconnect(options, receiver, target.as_ref()),
            (None, None) => panic!("a disconnect has neither a receiver nor a uid"),
        };
        self.see(depth, &format!("disconnect {done}"));
    }

    /// Returns the uid. Checks that an empty one is refused, and returns `None` for it, as Django
    /// ignores it.
    fn checked(&self, uid: Uid) -> Option<&'static str> {
        match uid {
            Uid::None => None,
            Uid::Text(text) => Some(text),
            Uid::Empty => {
                let refused = catch_unwind(|| drop(self.signal.options().dispatch_uid("")));
                assert!(refused.is_err(), "an empty uid was accepted");
                self.state().counts.add(Rule::EmptyUid);
                None
            }
        }
    }

    fn is_connected_closure(&self, receiver: Receiver, held: &Held) -> bool {
        let connection = self.closure_connection(receiver, held);
        connection.is_some_and(|connection| connection.is_connected())
    }

    /// Returns the newest connection without a uid of a closure for a sender.
    fn closure_connection(&self, receiver: Receiver, held: &Held) -> Option<Connection> {
        let Receiver::Closure(closure) = receiver else {
            return None;
        };
        let state = self.state();
        let key = (closure, state.closures[closure], held.name().to_owned());
        let mut newest = state.closure_connections.iter().rev();
        let found = newest.find(|(of, _)| *of == key);
        found.map(|(_, connection)| connection.clone())
    }

    fn send(&self, sending: Sending, depth: u32) -> Result<(), Fault> {
        if depth >= self.max_depth() {
            return Ok(());
        }
        let held = self.held(sending.from);
        let event = (sending.value, depth + 1);
        let signal = self.signal.from(held.sender());
        let sent = catch_unwind(AssertUnwindSafe(|| match (sending.verb, self.failures) {
            (Verb::Robust, _) => Ok(self.robust_outcomes(signal.send_robust(&event))),
            (_, Failures::Panics) => Ok(outcomes(signal.send(&event))),
            (_, Failures::Errors) => match signal.send_until_err(&event) {
                Ok(responses) => Ok(values(responses)),
                Err(stopped) => Err(stopped.error),
            },
        }));
        self.finish(sending, depth, sent)
    }

    async fn asend(&self, sending: Sending, depth: u32) -> Result<(), Fault> {
        if depth >= self.max_depth() {
            return Ok(());
        }
        let held = self.held(sending.from);
        let event = (sending.value, depth + 1);
        let signal = self.signal.from(held.sender());
        let sent = AssertUnwindSafe(async {
            match (sending.verb, self.failures) {
                (Verb::AsendRobust, _) => {
                    Ok(self.robust_outcomes(signal.asend_robust(&event).await))
                }
                (_, Failures::Panics) => Ok(outcomes(signal.asend(&event).await)),
                (_, Failures::Errors) => match signal.asend_until_err(&event).await {
                    Ok(responses) => Ok(values(responses)),
                    Err(stopped) => Err(stopped.error),
                },
            }
        });
        let sent = sent.catch_unwind().await;
        self.finish(sending, depth, sent)
    }

    /// Notes the outcomes of a send. Returns the failure if it is to travel on.
    fn finish(
        &self,
        sending: Sending,
        depth: u32,
        sent: Result<Outcomes, Box<dyn Any + Send>>,
    ) -> Result<(), Fault> {
        let verb = sending.verb;
        match sent.unwrap_or_else(|payload| Err(fault_of(payload))) {
            Ok(outcomes) => {
                let mut line = verb.to_string();
                for (id, outcome) in outcomes {
                    let receiver = self.state().connected[&id].0;
                    line += &match outcome {
                        Outcome::Value(value) => format!(" {receiver}:{value}"),
                        Outcome::Returned(fault) => format!(" {receiver}:returned-{}", fault.0),
                        Outcome::Failed(fault) => format!(" {receiver}:error-{}", fault.0),
                    };
                }
                self.see(depth, &line);
                Ok(())
            }
            Err(fault) => {
                self.see(depth, &format!("{verb} raised {}", fault.0));
                if depth > 0 && !sending.caught {
                    return Err(fault);
                }
                Ok(())
            }
        }
    }

    fn max_depth(&self) -> u32 {
        if self.has_tasks {
            MAX_DEPTH_OF_TASKS
        } else {
            MAX_DEPTH
        }
    }

    fn robust_outcomes(&self, responses: RobustResponses<Reply>) -> Vec<(ReceiverId, Outcome)> {
        let ids: Vec<ReceiverId> = responses.pairs().map(|(id, _)| id).collect();
        let outcomes = responses.into_iter().map(|response| match response {
            Ok(Ok(value)) => Outcome::Value(value),
            Ok(Err(fault)) if self.failures == Failures::Errors => Outcome::Failed(fault),
            Ok(Err(fault)) => Outcome::Returned(fault),
            Err(panic) => Outcome::Failed(fault_of(panic.into_panic())),
        });
        ids.into_iter().zip(outcomes).collect()
    }

    fn look(&self, depth: u32) {
        let mut line = "look".to_owned();
        for info in self.signal.connections() {
            if info.live {
                line += " ";
                line += &self.state().connected[&info.id].1;
            }
        }
        self.see(depth, &line);
    }

    fn renew(&self, number: usize) {
        let mut state = self.state();
        let name = format!("I{number}.{}", state.known.len() + 1);
        let identity = Arc::new(Identity::new());
        state.known.push((name.clone(), Arc::downgrade(&identity)));
        let new = Named { name, identity };
        let dead = if number < state.identities.len() {
            Some(std::mem::replace(&mut state.identities[number], new))
        } else {
            state.identities.push(new);
            None
        };
        // The death of an identity disconnects receivers.
        drop(state);
        drop(dead);
    }

    // ---- names

    fn target(&self, receiver: Receiver) -> Result<Option<Arc<Target>>, Gone> {
        match receiver {
            Receiver::Method { target, .. } | Receiver::AsyncMethod { target, .. } => {
                let target = self.state().targets[target].clone();
                target.map(Some).ok_or(Gone)
            }
            _ => Ok(None),
        }
    }

    fn held(&self, from: From) -> Held {
        match from {
            From::Identity(number) => Held::Identity(self.state().identities[number].clone()),
            _ => fixed(from),
        }
    }

    fn name_of(&self, sender: Sender<'_>) -> String {
        const FIXED: [From; 7] = [
            From::None,
            From::Type(0),
            From::Type(1),
            From::Name(0),
            From::Name(1),
            From::Key(0),
            From::Key(1),
        ];
        let mut senders = FIXED.into_iter().map(fixed);
        if let Some(held) = senders.find(|held| held.sender() == sender) {
            return held.name().to_owned();
        }
        let known = self.state().known.clone();
        let found = known.into_iter().find(|(_, identity)| {
            let identity = identity.upgrade();
            identity.is_some_and(|identity| Sender::identity(&identity) == sender)
        });
        found.map_or_else(|| format!("unknown:{sender}"), |(name, _)| name)
    }
}

/// The object of a method has been dropped.
struct Gone;

fn outcomes(responses: Responses<Reply>) -> Vec<(ReceiverId, Outcome)> {
    let outcomes = responses.into_pairs().map(|(id, reply)| match reply {
        Ok(value) => (id, Outcome::Value(value)),
        Err(fault) => (id, Outcome::Returned(fault)),
    });
    outcomes.collect()
}

fn values(responses: Responses<u32>) -> Vec<(ReceiverId, Outcome)> {
    let pairs = responses.into_pairs();
    pairs
        .map(|(id, value)| (id, Outcome::Value(value)))
        .collect()
}

/// Returns the failure that a panic carries.
fn fault_of(payload: Box<dyn Any + Send>) -> Fault {
    let payload = match payload.downcast::<Fault>() {
        Ok(fault) => return *fault,
        Err(payload) => payload,
    };
    let message = match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => match payload.downcast::<&'static str>() {
            Ok(message) => (*message).to_owned(),
            Err(_) => "a panic without a text".to_owned(),
        },
    };
    if message.contains("asend") {
        Fault("refused".to_owned())
    } else {
        Fault(format!("unexpected:{message}"))
    }
}

/// Suspends the task once.
async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
