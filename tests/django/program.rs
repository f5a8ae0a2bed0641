//! Programs and their traces, in the text that `programs.py` prints.

use std::fmt;
use std::str::FromStr;

/// A receiver. Its number among those of its kind is less than 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiver {
    Function(usize),
    AsyncFunction(usize),
    /// A closure that captures a value.
    Closure(usize),
    Method {
        target: usize,
        method: usize,
    },
    AsyncMethod {
        target: usize,
        method: usize,
    },
}

/// A sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    None,
    Type(usize),
    Name(usize),
    Key(usize),
    Identity(usize),
}

/// A uid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uid {
    None,
    Empty,
    Text(&'static str),
}

/// A way to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Send,
    Robust,
    Asend,
    AsendRobust,
}

/// A send. If it is not `caught`, its failure ends the receiver that sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sending {
    pub(crate) verb: Verb,
    pub(crate) from: From,
    pub(crate) value: u32,
    pub(crate) caught: bool,
}

/// An operation of a program or of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Connect(Receiver, From, Uid),
    /// Disconnects a receiver, or whatever has the uid.
    Disconnect(Option<Receiver>, From, Uid),
    Drop(usize),
    Make(usize),
    Fresh(usize),
    Renew(usize),
    Send(Sending),
    Listeners(From),
    Look,
    Raise(String),
    ReturnError(String),
    Exit,
    Yield,
}

/// A program, and the trace that Django left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    pub(crate) seed: String,
    pub(crate) kind: String,
    /// The operations of receivers, by the names of their scripts.
    pub(crate) scripts: Vec<(String, String)>,
    pub(crate) ops: Vec<String>,
    pub(crate) trace: Vec<String>,
}

impl Program {
    /// Reads the next program. Returns `None` at the end of the lines.
    pub(crate) fn read(lines: &mut impl Iterator<Item = String>) -> Option<Self> {
        let mut program = Program::default();
        for line in lines {
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "program" => {
                    let (seed, kind) = rest.split_once(' ').expect("a seed and a kind");
                    (program.seed, program.kind) = (seed.to_owned(), kind.to_owned());
                }
                "on" => {
                    let (name, op) = rest.split_once(' ').expect("a receiver and an operation");
                    program.scripts.push((name.to_owned(), op.to_owned()));
                }
                "do" => program.ops.push(rest.to_owned()),
                "see" => program.trace.push(rest.to_owned()),
                "end" => return Some(program),
                _ => panic!("a line of a program begins with an unknown word: {line}"),
            }
        }
        None
    }

    /// Returns `true` if its receivers suspend, so that the lines of one send are in no order.
    pub(crate) fn has_tasks(&self) -> bool {
        self.kind == "tasks"
    }

    /// Returns `true` if a receiver returns an exception as its response.
    pub(crate) fn returns_errors(&self) -> bool {
        self.scripts.iter().any(|(_, op)| op.starts_with("error"))
    }

    /// Returns the operations of the receivers with this script.
    pub(crate) fn script(&self, name: &str) -> Vec<Op> {
        let script = self.scripts.iter().filter(|(of, _)| of == name);
        script.map(|(_, op)| parse(op)).collect()
    }
}

/// Writes the program without its trace.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program {} {}", self.seed, self.kind)?;
        for (name, op) in &self.scripts {
            writeln!(f, "on {name} {op}")?;
        }
        for op in &self.ops {
            writeln!(f, "do {op}")?;
        }
        writeln!(f, "end")
    }
}

/// Returns the operation that a line stands for.
pub(crate) fn parse(line: &str) -> Op {
    let words: Vec<&str> = line.split(' ').collect();
    match *words {
        ["connect", receiver, from, uid] => {
            Op::Connect(read_receiver(receiver), read_from(from), read_uid(uid))
        }
        ["disconnect", receiver, from, uid] => {
            let receiver = (receiver != "-").then(|| read_receiver(receiver));
            Op::Disconnect(receiver, read_from(from), read_uid(uid))
        }
        ["drop", target] => Op::Drop(number(target)),
        ["make", target] => Op::Make(number(target)),
        ["fresh", closure] => Op::Fresh(number(closure)),
        ["renew", identity] => Op::Renew(number(identity)),
        ["listeners", from] => Op::Listeners(read_from(from)),
        ["look"] => Op::Look,
        ["raise", fault] => Op::Raise(fault.to_owned()),
        ["error", fault] => Op::ReturnError(fault.to_owned()),
        ["exit"] => Op::Exit,
        ["yield"] => Op::Yield,
        [verb, from, value, caught] => Op::Send(Sending {
            verb: match verb {
                "send" => Verb::Send,
                "robust" => Verb::Robust,
                "asend" => Verb::Asend,
                "arobust" => Verb::AsendRobust,
                _ => panic!("an operation is unknown: {line}"),
            },
            from: read_from(from),
            value: number(value),
            caught: caught == "caught",
        }),
        _ => panic!("an operation is unknown: {line}"),
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Send => "send",
            Verb::Robust => "robust",
            Verb::Asend => "asend",
            Verb::AsendRobust => "arobust",
        })
    }
}

fn number<N: FromStr<Err: fmt::Debug>>(text: &str) -> N {
    text.parse().expect("a number")
}

fn read_receiver(text: &str) -> Receiver {
    let (kind, rest) = text.split_at(1);
    let (first, method) = rest.split_once('.').unwrap_or((rest, "0"));
    let (target, method) = (number(first), number(method));
    match kind {
        "f" => Receiver::Function(target),
        "a" => Receiver::AsyncFunction(target),
        "c" => Receiver::Closure(target),
        "m" => Receiver::Method { target, method },
        "n" => Receiver::AsyncMethod { target, method },
        _ => panic!("a receiver is unknown: {text}"),
    }
}

fn read_from(text: &str) -> From {
    match text.split_at(1) {
        ("-", "") => From::None,
        ("T", rest) => From::Type(number(rest)),
        ("N", rest) => From::Name(number(rest)),
        ("K", rest) => From::Key(number(rest)),
        ("I", rest) => From::Identity(number(rest)),
        _ => panic!("a sender is unknown: {text}"),
    }
}

fn read_uid(text: &str) -> Uid {
    match text {
        "-" => Uid::None,
        "empty" => Uid::Empty,
        "u0" => Uid::Text("u0"),
        "u1" => Uid::Text("u1"),
        _ => panic!("a uid is unknown: {text}"),
    }
}

/// Writes the receiver as in a trace.
impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Receiver::Function(number) => write!(f, "f{number}"),
            Receiver::AsyncFunction(number) => write!(f, "a{number}"),
            Receiver::Closure(number) => write!(f, "c{number}"),
            Receiver::Method { target, method } => write!(f, "m{target}.{method}"),
            Receiver::AsyncMethod { target, method } => write!(f, "n{target}.{method}"),
        }
    }
}

impl Receiver {
    /// Returns the name of its script. Methods of all targets have one script.
    pub(crate) fn script(self) -> String {
        match self {
            Receiver::Method { method, .. } => format!("m{method}"),
            Receiver::AsyncMethod { method, .. } => format!("n{method}"),
            _ => self.to_string(),
        }
    }
}
