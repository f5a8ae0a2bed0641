//! Random programs: the same operations on a real signal and on a plain list that follows Django's
//! rules, and an exact comparison of both records.
//!
//! `real` runs a program against `fanfare` and writes down everything observable;
//! `naive` runs it again on a `Vec` with linear searches and checks every line of that
//! record. `decode` makes a program of any bytes, for the fuzzer.

mod checks;
pub(crate) mod decode;
mod naive;
mod place;
mod real;
pub(crate) mod response;
mod rules;
mod seen;
mod sends;

use std::fmt;

use response::Tracked;

/// The number of different zero-sized functions and weak methods.
pub(crate) const FUNCTIONS: u8 = 6;
pub(crate) const METHODS: u8 = 2;
/// The number of weak targets and identities that can be alive at a time.
pub(crate) const TARGETS: usize = 3;
pub(crate) const IDENTITIES: usize = 2;
pub(crate) const UIDS: [&str; 3] = ["bell", "bel", "7"];
pub(crate) const NAMES: [&str; 4] = ["oven", "ove", "7", ""];
/// The numbers of receivers that [`Op::Fill`] connects at once: the sizes at which tables change
/// shape.
pub(crate) const FILLS: [usize; 10] = [1, 15, 16, 17, 63, 64, 65, 200, 1000, 5000];

/// The senders that are asked for listeners after each operation.
const LISTENED: [From; 6] = [
    From::Nobody,
    From::Type(0),
    From::Name(0),
    From::Name(1),
    From::Key(0),
    From::Key(1),
];

/// Scripts stop nesting here.
const MAX_DEPTH: usize = 3;
/// No send starts once this many receivers have run.
const MAX_CALLS: u64 = 20_000;
/// No connect happens once this many were tried.
const MAX_CONNECTS: usize = 12_000;
/// Up to this many connections, everything is compared after each operation.
const SMALL: usize = 40;

/// A program and the signal it is for.
#[derive(Clone)]
pub(crate) struct Program {
    /// The kind of the responses of its receivers: see [`check`].
    pub(crate) response: u8,
    /// The operations that receivers do while they run: script `n` of a [`Spec`] is `scripts[n -
    /// 1]`.
    pub(crate) scripts: Vec<Vec<Op>>,
    pub(crate) ops: Vec<Op>,
}

/// An operation a line, whatever the format asks for.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Program {{ response: {}, scripts: vec![", self.response)?;
        for script in &self.scripts {
            writeln!(f, "    vec!{},", format_args!("{script:?}"))?;
        }
        writeln!(f, "], ops: vec![")?;
        for op in &self.ops {
            writeln!(f, "    {},", format_args!("{op:?}"))?;
        }
        write!(f, "] }}")
    }
}

/// One operation. Indices wrap, and an operation on an empty slot has no effect.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Connect(Spec),
    ConnectMany(Vec<Spec>),
    /// Prepares a receiver and keeps it for a later `ConnectShelf`.
    Prepare(Spec),
    ConnectShelf,
    ClearShelf,
    Fill {
        size: u8,
        spread: Spread,
        order: Order,
        at_once: bool,
    },
    /// Disconnects this many by handles picked at random; `u16::MAX`: all of them.
    Thin {
        count: u16,
        seed: u16,
    },

    Disconnect(u16),
    DisconnectAndWait(u16),
    IsConnected(u16),
    DropHandle(u16),
    Scope(u16),
    DropGuard(u8),
    KeepGuard(u8),
    DisconnectFunction(u8),
    DisconnectFunctionFrom(From, u8),
    DisconnectFunctionEverywhere(u8),
    DisconnectWeak {
        target: u8,
        method: u8,
    },
    DisconnectWeakFrom(From, u8, u8),
    DisconnectUid(u8),
    DisconnectUidFrom(From, u8),
    DisconnectUidEverywhere(u8),
    DisconnectSender(From),
    DisconnectAll,

    /// Drops the pool's reference, if any, and puts a new target in its place.
    RenewTarget(u8),
    DropTarget(u8),
    RenewIdentity(u8),
    DropIdentity(u8),
    Purge,

    Send(Sending),
    ReleaseEmitter,
    DropEmitter,

    HasListeners(From),
    Look,
    Unmatched,

    /// In a script: disconnects the receiver that runs it.
    DisconnectSelf,
    /// In a script: the receiver panics.
    Panic(u8),
    /// In a script: the receiver refuses.
    Refuse,
}

/// A receiver and the options it is connected with.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) what: What,
    /// `None`: the option is not given. `Some(From::Nobody)`: given as no sender.
    pub(crate) sender: Option<From>,
    pub(crate) uid: Option<u8>,
    pub(crate) priority: i32,
    pub(crate) once: bool,
    pub(crate) named: bool,
    /// The script that it runs when it is called, or zero for none. Functions and methods have
    /// their own.
    pub(crate) script: u8,
    /// The effect of its destructor, if it captures a value.
    pub(crate) last: Last,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    Function(u8),
    /// The same function behind a pointer, which has no identity.
    Pointer(u8),
    Closure,
    Weak {
        target: u8,
        method: u8,
    },
    /// A method that captures something, which has no identity either.
    WeakClosure {
        target: u8,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Nobody,
    Type(u8),
    Name(u8),
    Key(u16),
    Identity(u8),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Last {
    Quiet,
    /// Connects to and disconnects from the signal.
    Reenter,
    Panic,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Spread {
    AnySender,
    OneSender,
    TenSenders,
    SenderEach,
    /// Half for any sender, half for one.
    Mixed,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Level,
    Rising,
    Falling,
    Jumbled,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sending {
    pub(crate) verb: Verb,
    pub(crate) from: From,
    pub(crate) emitter: bool,
    /// A panic is caught around the send, not only around the operation.
    pub(crate) caught: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Verb {
    Send,
    Robust,
    Until(Stop),
    Each(Stop),
    Try,
}

/// The effect of the caller's closure at the response with this number, from one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    Never,
    At(u8),
    Panic(u8),
}

/// Runs `program` on a real signal, then on the model; panics where they differ.
pub(crate) fn check(program: &Program) {
    match program.response % 3 {
        0 => naive::verify::<Tracked>(program, real::run::<Tracked>(program)),
        1 => naive::verify::<()>(program, real::run::<()>(program)),
        _ => naive::verify::<u64>(program, real::run::<u64>(program)),
    }
}

/// Returns the receivers that an [`Op::Fill`] connects.
fn fill(size: u8, spread: Spread, order: Order) -> impl Iterator<Item = Spec> {
    let count = FILLS[usize::from(size) % FILLS.len()];
    (0..count).map(move |at| {
        let number = u16::try_from(at).expect("fills are small");
        let sender = match spread {
            Spread::AnySender => None,
            Spread::OneSender => Some(From::Key(0)),
            Spread::TenSenders => Some(From::Key(number % 10)),
            Spread::SenderEach => Some(From::Key(number)),
            Spread::Mixed => (at % 2 == 0).then_some(From::Key(0)),
        };
        let priority = match order {
            Order::Level => 0,
            Order::Rising => i32::from(number),
            Order::Falling => -i32::from(number),
            Order::Jumbled => i32::from(number.wrapping_mul(40_503) % 7) - 3,
        };
        Spec {
            sender,
            priority,
            ..Spec::closure(0)
        }
    })
}

/// Returns the handles that an [`Op::Thin`] disconnects, out of `handles`.
fn thin(count: u16, seed: u16, handles: usize) -> impl Iterator<Item = usize> {
    let mut state = u64::from(seed) ^ 0x9e37_79b9_7f4a_7c15;
    let mut order: Vec<usize> = (0..handles).collect();
    let wanted = if count == u16::MAX {
        handles
    } else {
        usize::from(count).min(handles)
    };
    for at in 0..wanted {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let left = (handles - at) as u64;
        order.swap(at, at + ((state >> 33) % left) as usize);
    }
    order.truncate(wanted);
    order.into_iter()
}

impl Spec {
    /// Returns a closure that is connected without options.
    pub(crate) fn closure(script: u8) -> Self {
        Spec {
            what: What::Closure,
            sender: None,
            uid: None,
            priority: 0,
            once: false,
            named: false,
            script,
            last: Last::Quiet,
        }
    }

    /// Returns the script that the receiver runs. A receiver with an identity shares that of the
    /// identity.
    fn script_of(&self) -> u8 {
        match self.what {
            What::Function(function) | What::Pointer(function) => function % FUNCTIONS,
            What::Weak { method, .. } => method % METHODS,
            What::Closure | What::WeakClosure { .. } => self.script,
        }
    }
}
