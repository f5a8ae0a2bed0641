//! The observations of a program, in words that the signal and the model share.

use super::response::Reply;

/// A line of the record. Connections are counted from zero as they are made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    /// The top-level operation with this number begins.
    Op(usize),
    Called {
        who: Who,
        serial: u64,
        depth: usize,
    },
    Connected {
        ordinal: usize,
        new: bool,
    },
    Said(bool),
    Counted(usize),
    /// A panic reached whoever asked for the send.
    Panicked(Boom),
    Responses(Vec<(Option<usize>, Reply)>),
    Robust(Vec<Result<Reply, Caught>>),
    First(Option<(usize, Reply)>),
    Each {
        responses: Vec<(usize, Reply)>,
        broke: bool,
    },
    Tried {
        before: Vec<(Option<usize>, Reply)>,
        error: Option<(usize, Reply)>,
    },
    Waited(Waited),
    Rows(Vec<Row>),
    Unmatched(Vec<String>),
    /// For each of the senders in `LISTENED`, whether it has receivers.
    Listeners(Vec<bool>),
    /// For each handle, whether its receiver is connected.
    Handles(Vec<bool>),
    State(State),
    /// The closures that the end of the signal destroyed.
    Ended {
        dropped: Vec<usize>,
    },
}

/// The result of `disconnect_and_wait`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Gone,
    InsideSend,
    Late,
}

/// The state between two operations.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) len: usize,
    pub(crate) purged: u64,
    /// Closures destroyed since the last state.
    pub(crate) dropped: Vec<usize>,
    /// Weak targets destroyed since the last state.
    pub(crate) targets: Vec<usize>,
    /// `true` if an emitter may hold on to disconnected receivers.
    pub(crate) pinned: bool,
}

/// The receiver that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Function(u8),
    Method {
        method: u8,
        target: usize,
    },
    /// A closure, by the number of its token, and its target if it is weak.
    Closure {
        token: usize,
        target: Option<usize>,
    },
}

/// A panic of a receiver, or of the closure given to a send.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Boom {
    Text(String),
    Literal,
    Value(u64),
}

/// A panic that a robust send caught.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Caught {
    pub(crate) ordinal: usize,
    /// The name, where one was given.
    pub(crate) name: Option<String>,
    pub(crate) boom: Boom,
}

/// A line of `connections()`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) ordinal: usize,
    pub(crate) sender: Option<String>,
    /// The name, where one was given.
    pub(crate) name: Option<String>,
    pub(crate) uid: Option<String>,
    pub(crate) priority: i32,
    pub(crate) once: bool,
    pub(crate) weak: bool,
    pub(crate) live: bool,
}
