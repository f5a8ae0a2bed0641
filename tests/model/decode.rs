//! Any bytes as a program.

use super::{FILLS, From, Last, Op, Order, Program, Sending, Spec, Spread, Stop, Verb, What};

/// Bytes to decode, and zeroes after them.
struct Bytes<'b>(&'b [u8]);

const MAX_OPS: usize = 120;
const MAX_SCRIPTS: u8 = 6;
const MAX_SCRIPT: u8 = 4;
const MAX_BATCH: u8 = 6;

/// Returns the program that `bytes` stand for. A change of a byte mostly changes one operation.
pub(crate) fn decode(bytes: &[u8]) -> Program {
    let mut bytes = Bytes(bytes);
    let response = bytes.next();
    let scripts = bytes.below(MAX_SCRIPTS);
    let scripts = (0..scripts).map(|_| {
        let length = bytes.below(MAX_SCRIPT);
        (0..length).map(|_| bytes.op()).collect()
    });
    let scripts = scripts.collect();
    let mut ops = Vec::new();
    while !bytes.0.is_empty() && ops.len() < MAX_OPS {
        ops.push(bytes.op());
    }
    Program {
        response,
        scripts,
        ops,
    }
}

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.next() % bound
    }

    fn wide(&mut self) -> u16 {
        u16::from_le_bytes([self.next(), self.next()])
    }

    fn op(&mut self) -> Op {
        match self.below(64) {
            0..=10 => Op::Connect(self.spec()),
            11 | 12 => {
                let count = self.below(MAX_BATCH);
                Op::ConnectMany((0..count).map(|_| self.spec()).collect())
            }
            13 => Op::Prepare(self.spec()),
            14 => Op::ConnectShelf,
            15 => Op::ClearShelf,
            16 => self.fill(),
            17 => Op::Thin {
                count: match self.next() {
                    255 => u16::MAX,
                    count => u16::from(count),
                },
                seed: self.wide(),
            },
            18..=20 => Op::Disconnect(self.wide()),
            21 => Op::DisconnectAndWait(self.wide()),
            22 => Op::IsConnected(self.wide()),
            23 => Op::DropHandle(self.wide()),
            24 => Op::Scope(self.wide()),
            25 => Op::DropGuard(self.next()),
            26 => Op::KeepGuard(self.next()),
            27 => Op::DisconnectFunction(self.next()),
            28 => Op::DisconnectFunctionFrom(self.from(), self.next()),
            29 => Op::DisconnectFunctionEverywhere(self.next()),
            30 => Op::DisconnectWeak {
                target: self.next(),
                method: self.next(),
            },
            31 => Op::DisconnectWeakFrom(self.from(), self.next(), self.next()),
            32 => Op::DisconnectUid(self.next()),
            33 => Op::DisconnectUidFrom(self.from(), self.next()),
            34 => Op::DisconnectUidEverywhere(self.next()),
            35 => Op::DisconnectSender(self.from()),
            36 => Op::DisconnectAll,
            37..=39 => Op::RenewTarget(self.next()),
            40 | 41 => Op::DropTarget(self.next()),
            42 | 43 => Op::RenewIdentity(self.next()),
            44 | 45 => Op::DropIdentity(self.next()),
            46 => Op::Purge,
            47 => Op::ReleaseEmitter,
            48 => Op::DropEmitter,
            49 => Op::HasListeners(self.from()),
            50 => Op::Look,
            51 => Op::Unmatched,
            52 => Op::DisconnectSelf,
            53 => Op::Panic(self.next()),
            54 => Op::Refuse,
            _ => Op::Send(self.sending()),
        }
    }

    fn fill(&mut self) -> Op {
        Op::Fill {
            // The largest fills are for tests that take their time.
            size: match self.next() {
                255 => 8,
                size => size % (FILLS.len() as u8 - 2),
            },
            spread: match self.below(5) {
                0 => Spread::AnySender,
                1 => Spread::OneSender,
                2 => Spread::TenSenders,
                3 => Spread::SenderEach,
                _ => Spread::Mixed,
            },
            order: match self.below(4) {
                0 => Order::Level,
                1 => Order::Rising,
                2 => Order::Falling,
                _ => Order::Jumbled,
            },
            at_once: self.flag(),
        }
    }

    fn flag(&mut self) -> bool {
        self.next() & 1 == 1
    }

    fn from(&mut self) -> From {
        let kind = self.next();
        let number = kind >> 3;
        match kind & 7 {
            0..=2 => From::Nobody,
            3 => From::Type(number),
            4 => From::Name(number),
            5 | 6 => From::Key(u16::from(number)),
            _ => From::Identity(number),
        }
    }

    fn spec(&mut self) -> Spec {
        let options = self.next();
        let given = |bit: u8| options & (1 << bit) != 0;
        let what = self.next();
        let (kind, number) = (what & 7, what >> 3);
        Spec {
            what: match kind {
                0 | 1 => What::Function(number),
                2 => What::Pointer(number),
                3 | 4 => What::Weak {
                    target: number >> 1,
                    method: number,
                },
                5 => What::WeakClosure { target: number },
                _ => What::Closure,
            },
            sender: given(0).then(|| self.from()),
            uid: given(1).then(|| self.next()),
            priority: if given(2) {
                i32::from(self.next() as i8)
            } else {
                0
            },
            once: given(3),
            named: given(4),
            script: if given(5) { self.below(MAX_SCRIPTS) } else { 0 },
            last: match options >> 6 {
                2 => Last::Reenter,
                3 => Last::Panic,
                _ => Last::Quiet,
            },
        }
    }

    fn sending(&mut self) -> Sending {
        let how = self.next();
        Sending {
            verb: match how & 7 {
                0..=2 => Verb::Send,
                3 => Verb::Robust,
                4 => Verb::Until(self.stop()),
                5 => Verb::Each(self.stop()),
                _ => Verb::Try,
            },
            from: self.from(),
            emitter: how & 8 != 0,
            caught: how & 16 != 0,
        }
    }

    fn stop(&mut self) -> Stop {
        let at = self.next();
        match at & 3 {
            0 | 1 => Stop::Never,
            2 => Stop::At(at >> 2),
            _ => Stop::Panic(at >> 2),
        }
    }
}
