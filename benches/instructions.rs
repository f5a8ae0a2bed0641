//! Instructions of the hot paths, counted by callgrind and so exact: each case fails when it
//! takes over 2 % more than the count beside it. After a change that is meant, write down the
//! new counts.

use std::hint::black_box;

use fanfare::{Sender, Signal};
use fanfare_benches::{connect, connect_senders};
use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};

/// Operations in a case, so that what surrounds them does not count.
const TIMES: u64 = 1_000;

/// The count of a case, in instructions for each operation.
fn takes(instructions: f64) -> LibraryBenchmarkConfig {
    let limit = (instructions * TIMES as f64 * 1.02) as u64;
    let mut callgrind = Callgrind::with_args(["--cache-sim=no"]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind.hard_limits([(EventKind::Ir, limit)]));
    config
}

/// Returns a signal with `receivers` receivers. It has been sent once before, so that the first
/// send's work is not measured.
fn signal(receivers: u64) -> Signal<u64> {
    let signal = Signal::new();
    connect(&signal, receivers);
    signal.send(&1);
    signal
}

/// Returns a frozen `signal`.
fn frozen_signal(receivers: u64) -> Signal<u64> {
    let signal = signal(receivers);
    signal.freeze();
    signal
}

/// Returns a signal with a receiver for each of `senders` senders, each of which has sent once: the
/// first send of a sender notes it.
fn by_sender(senders: u64) -> (Signal<u64>, u64) {
    let signal = Signal::new();
    connect_senders(&signal, senders);
    for sender in 0..senders {
        signal.from(Sender::key(u128::from(sender))).send(&1);
    }
    (signal, senders)
}

#[library_benchmark]
#[bench::to_0(args = (0), setup = signal, config = takes(14.1))]
#[bench::to_1(args = (1), setup = signal, config = takes(113.1))]
#[bench::to_4(args = (4), setup = signal, config = takes(153.1))]
#[bench::to_64(args = (64), setup = signal, config = takes(824.1))]
fn send(signal: Signal<u64>) -> Signal<u64> {
    for _ in 0..TIMES {
        black_box(&signal).send(black_box(&1));
    }
    signal
}

#[library_benchmark]
#[bench::to_0(args = (0), setup = frozen_signal, config = takes(14.1))]
#[bench::to_1(args = (1), setup = frozen_signal, config = takes(50.1))]
#[bench::to_4(args = (4), setup = frozen_signal, config = takes(86.1))]
#[bench::to_64(args = (64), setup = frozen_signal, config = takes(756.1))]
fn frozen(signal: Signal<u64>) -> Signal<u64> {
    for _ in 0..TIMES {
        black_box(&signal).send(black_box(&1));
    }
    signal
}

#[library_benchmark]
#[bench::to_0(args = (0), setup = signal, config = takes(29.7))]
#[bench::to_1(args = (1), setup = signal, config = takes(47.9))]
#[bench::to_64(args = (64), setup = signal, config = takes(758.2))]
fn emitter(signal: Signal<u64>) -> Signal<u64> {
    let mut emitter = signal.emitter();
    for _ in 0..TIMES {
        black_box(&mut emitter).send(black_box(&1));
    }
    drop(emitter);
    signal
}

#[library_benchmark]
#[bench::among_1(args = (1), setup = by_sender, config = takes(228.1))]
#[bench::among_1000(args = (1_000), setup = by_sender, config = takes(250.0))]
fn send_by_sender((signal, senders): (Signal<u64>, u64)) -> Signal<u64> {
    // All of them in turn: hashes differ from run to run, and with them the way to one.
    for sender in 0..TIMES {
        let sender = Sender::key(u128::from(sender % senders));
        black_box(&signal)
            .from(black_box(sender))
            .send(black_box(&1));
    }
    signal
}

#[library_benchmark]
#[bench::beside_1(args = (1), setup = signal, config = takes(4672.5))]
#[bench::beside_1000(args = (1_000), setup = signal, config = takes(9387.0))]
fn connect_and_disconnect(signal: Signal<u64>) -> Signal<u64> {
    for c in 0..TIMES {
        let connection = black_box(&signal).connect(move |_sender, x| {
            black_box(c + x);
        });
        connection.disconnect();
    }
    signal
}

library_benchmark_group!(
    name = hot_paths,
    benchmarks = [
        send,
        frozen,
        emitter,
        send_by_sender,
        connect_and_disconnect
    ]
);

main!(library_benchmark_groups = hot_paths);
