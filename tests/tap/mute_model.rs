//! Random programs of mutes, connects and sends, compared with a plain list.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;

use fanfare::mute::{self, Mute, MuteScope, Subject};
use fanfare::watch::Context;
use fanfare::{Connection, Sender, Signal};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

const SIGNALS: usize = 2;
const SENDERS: [Option<&str>; 3] = [None, Some("order"), Some("customer")];
/// The tags, which no other test uses.
const TAGS: [&str; 2] = ["tap::model::mail", "tap::model::search"];

#[derive(Clone, Debug)]
enum Op {
    Connect {
        signal: usize,
        sender: usize,
        tags: [bool; 2],
        priority: i32,
        calls: Option<u32>,
    },
    Disconnect(usize),
    Freeze(usize),
    Mute(Vec<Muted>, Reach),
    /// Drops a guard, on another thread if so.
    Unmute(usize, bool),
    Send {
        signal: usize,
        sender: usize,
        way: u8,
        elsewhere: bool,
        /// Guards of scopes, from the outermost to the innermost.
        inside: Vec<usize>,
    },
}

#[derive(Clone, Copy, Debug)]
enum Muted {
    Signal(usize),
    Sender(usize, usize),
    Receiver(usize, bool),
    Tag(usize),
    /// All signals of the process, whose tests run beside this one. So it is never everywhere.
    All,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Reach {
    Process,
    /// This thread, or the other one if so.
    Thread(bool),
    Scope,
}

fn muted() -> impl Strategy<Value = Muted> {
    prop_oneof![
        3 => (0..SIGNALS).prop_map(Muted::Signal),
        3 => (0..SIGNALS, 0..SENDERS.len()).prop_map(|(signal, sender)| Muted::Sender(signal, sender)),
        5 => (0..12_usize, any::<bool>()).prop_map(|(at, by_id)| Muted::Receiver(at, by_id)),
        4 => (0..TAGS.len()).prop_map(Muted::Tag),
        1 => Just(Muted::All),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let reach = prop_oneof![
        Just(Reach::Process),
        any::<bool>().prop_map(Reach::Thread),
        Just(Reach::Scope)
    ];
    let calls = prop_oneof![3 => Just(None), 1 => (1..3_u32).prop_map(Some)];
    let connect = (
        0..SIGNALS,
        0..SENDERS.len(),
        any::<[bool; 2]>(),
        -1..2,
        calls,
    );
    let inside = vec(0..8_usize, 0..3);
    let send = (0..SIGNALS, 0..SENDERS.len(), 0..4_u8, any::<bool>(), inside);
    prop_oneof![
        6 => connect.prop_map(|(signal, sender, tags, priority, calls)| Op::Connect {
            signal, sender, tags, priority, calls
        }),
        1 => (0..12_usize).prop_map(Op::Disconnect),
        1 => (0..40 * SIGNALS).prop_map(Op::Freeze),
        5 => (vec(muted(), 1..3), reach).prop_map(|(muted, reach)| Op::Mute(muted, reach)),
        3 => (0..8_usize, any::<bool>()).prop_map(|(at, elsewhere)| Op::Unmute(at, elsewhere)),
        12 => send.prop_map(|(signal, sender, way, elsewhere, inside)| Op::Send {
            signal, sender, way, elsewhere, inside
        }),
    ]
}

type Step = Box<dyn FnOnce() + Send>;

/// A thread that runs the steps that are not for this thread.
static OTHER: LazyLock<Mutex<SyncSender<Step>>> = LazyLock::new(|| {
    let (sends, runs) = mpsc::sync_channel::<Step>(0);
    thread::spawn(move || runs.into_iter().for_each(|run| run()));
    Mutex::new(sends)
});

/// Returns the result of `run` on this thread or on the other one.
fn on<T: Send + 'static>(elsewhere: bool, run: impl FnOnce() -> T + Send + 'static) -> T {
    if !elsewhere {
        return run();
    }
    let (sends, result) = mpsc::sync_channel(1);
    let run = move || {
        let ended = catch_unwind(AssertUnwindSafe(run));
        let _ = sends.send(ended);
    };
    OTHER.lock().unwrap().send(Box::new(run)).unwrap();
    result
        .recv()
        .unwrap()
        .unwrap_or_else(|panic| resume_unwind(panic))
}

struct Receiver {
    connection: Connection,
    number: u32,
    signal: usize,
    sender: usize,
    tags: [bool; 2],
    priority: i32,
    left: Option<u32>,
    is_live: bool,
}

enum Guard {
    Plain(#[expect(dead_code, reason = "its drop ends the mute")] Mute),
    Scope(MuteScope),
}

struct Rule {
    guard: Guard,
    /// The subjects, with the numbers of receivers in place of their positions.
    muted: Vec<Muted>,
    reach: Reach,
}

struct Program {
    signals: [Arc<Signal<u32, u32>>; SIGNALS],
    is_frozen: [bool; SIGNALS],
    receivers: Vec<Receiver>,
    rules: Vec<Rule>,
}

fn sender_of(at: usize) -> Sender<'static> {
    SENDERS[at].map_or(Sender::NONE, Sender::from)
}

impl Program {
    fn new() -> Self {
        Program {
            signals: Default::default(),
            is_frozen: [false; SIGNALS],
            receivers: Vec::new(),
            rules: Vec::new(),
        }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Connect { signal, .. } if self.is_frozen[signal] => {}
            Op::Connect {
                signal,
                sender,
                tags,
                priority,
                calls,
            } => {
                let number = u32::try_from(self.receivers.len()).unwrap();
                let mut options = self.signals[signal].options().priority(priority);
                options = options.sender(sender_of(sender));
                for at in (0..2).filter(|at| tags[*at]) {
                    options = options.tag(TAGS[at]);
                }
                if let Some(calls) = calls {
                    options = options.max_calls(calls);
                }
                self.receivers.push(Receiver {
                    connection: options.connect(move |_sender, _id| number),
                    number,
                    signal,
                    sender,
                    tags,
                    priority,
                    left: calls,
                    is_live: true,
                });
            }
            Op::Disconnect(at) => {
                let is_frozen = self.is_frozen;
                let receiver = self.receivers.get_mut(at);
                if let Some(receiver) = receiver.filter(|it| !is_frozen[it.signal]) {
                    assert_eq!(receiver.connection.disconnect(), receiver.is_live);
                    receiver.is_live = false;
                }
            }
            Op::Freeze(at) => {
                if let Some(signal) = self.signals.get(at) {
                    signal.freeze();
                    self.is_frozen[at] = true;
                }
            }
            Op::Mute(muted, reach) => self.mute(&muted, reach),
            Op::Unmute(at, elsewhere) => {
                if at < self.rules.len() {
                    let rule = self.rules.remove(at);
                    on(elsewhere, move || drop(rule.guard));
                }
            }
            Op::Send {
                signal,
                sender,
                way,
                elsewhere,
                inside,
            } => self.send(signal, sender, way, elsewhere, &inside),
        }
    }

    fn mute(&mut self, muted: &[Muted], reach: Reach) {
        let mut subjects: Vec<(Muted, Subject)> = Vec::new();
        for &muted in muted {
            let subject = match muted {
                Muted::Signal(at) => mute::signal(&self.signals[at]),
                Muted::Sender(at, sender) => mute::sender(&self.signals[at], sender_of(sender)),
                Muted::Receiver(at, by_id) => match self.receivers.get(at) {
                    None => continue,
                    Some(it) if by_id => mute::receiver_id(it.connection.id()),
                    Some(it) => mute::receiver(&it.connection),
                },
                Muted::Tag(at) => mute::tag(TAGS[at]),
                Muted::All if reach == Reach::Process => continue,
                Muted::All => mute::all(),
            };
            subjects.push((muted, subject));
        }
        let (muted, subjects): (Vec<_>, Vec<_>) = subjects.into_iter().unzip();
        let Some(subject) = subjects.into_iter().reduce(Subject::and) else {
            return;
        };
        let guard = match reach {
            Reach::Process => Guard::Plain(subject.everywhere()),
            Reach::Thread(elsewhere) => {
                Guard::Plain(on(elsewhere, move || subject.on_this_thread()))
            }
            Reach::Scope => Guard::Scope(subject.in_a_scope()),
        };
        self.rules.push(Rule {
            guard,
            muted,
            reach,
        });
    }

    fn send(&mut self, at: usize, sender: usize, way: u8, elsewhere: bool, inside: &[usize]) {
        let scopes: Vec<(usize, &MuteScope)> = inside
            .iter()
            .filter_map(|at| match &self.rules.get(*at)?.guard {
                Guard::Scope(scope) => Some((*at, scope)),
                Guard::Plain(_) => None,
            })
            .collect();
        let context = scopes
            .iter()
            .fold(Context::current(), |context, (_, scope)| {
                context.enter(|| scope.enter(Context::current))
            });
        let inside: Vec<usize> = scopes.into_iter().map(|(at, _)| at).collect();

        let signal = Arc::clone(&self.signals[at]);
        let (has_listeners, responses) = on(elsewhere, move || {
            context.enter(|| {
                let from = signal.from(sender_of(sender));
                let has_listeners = from.has_listeners();
                let responses: Vec<u32> = match way {
                    0 => from.send(&1).to_vec(),
                    1 => {
                        let sent = from.send_robust(&1);
                        sent.into_iter().map(|response| response.unwrap()).collect()
                    }
                    2 => from.send_batch(&[1]).to_vec(),
                    _ => signal.emitter().from(sender_of(sender)).send(&1).to_vec(),
                };
                (has_listeners, responses)
            })
        });

        let Program {
            receivers, rules, ..
        } = self;
        let mut reached: Vec<&mut Receiver> = receivers
            .iter_mut()
            .filter(|it| it.is_live && it.signal == at && (it.sender == 0 || it.sender == sender))
            .filter(|it| {
                !rules.iter().enumerate().any(|(number, rule)| {
                    let reaches = match rule.reach {
                        Reach::Process => true,
                        Reach::Thread(other) => other == elsewhere,
                        Reach::Scope => inside.contains(&number),
                    };
                    let is_muted = |muted: &Muted| match *muted {
                        Muted::All => true,
                        Muted::Signal(signal) => signal == at,
                        Muted::Sender(signal, of) => signal == at && of == sender,
                        Muted::Receiver(number, _) => number == it.number as usize,
                        Muted::Tag(tag) => it.tags[tag],
                    };
                    reaches && rule.muted.iter().any(is_muted)
                })
            })
            .collect();
        reached.sort_by_key(|it| (-it.priority, it.number));
        let numbers: Vec<u32> = reached.iter().map(|it| it.number).collect();
        assert_eq!(responses, numbers);
        assert_eq!(has_listeners, !numbers.is_empty());
        for it in reached {
            if let Some(left) = &mut it.left {
                *left -= 1;
                it.is_live = *left > 0;
            }
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 3_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn programs_of_mutes_do_as_a_plain_list(ops in vec(op(), 1..40)) {
        let mut program = Program::new();
        for op in ops {
            program.step(op);
        }
    }
}
