//! Instructions of the other ways to send, as `instructions.rs` counts those of the hot paths.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;

use fanfare::{Deferred, Sender, Signal};
use fanfare_benches::connect;
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

/// Returns a signal whose `receivers` receivers respond.
fn responding(receivers: u64) -> Signal<u64, Result<u64, ()>> {
    let signal = Signal::new();
    for c in 0..receivers {
        signal.connect(move |_sender, x| Ok(c + x));
    }
    let _ = signal.send(&1);
    signal
}

/// Returns a signal with `receivers` weak receivers, and their targets.
fn weak(receivers: u64) -> (Signal<u64>, Vec<Arc<u64>>) {
    let signal = Signal::new();
    let targets: Vec<_> = (0..receivers).map(Arc::new).collect();
    for target in &targets {
        signal.connect_weak(target, |c: &u64, _sender, x| {
            black_box(c + x);
        });
    }
    signal.send(&1);
    (signal, targets)
}

/// Returns a signal with a receiver that is limited, between plain ones.
fn limited(plain: u64) -> Signal<u64> {
    let signal = Signal::new();
    connect(&signal, plain);
    signal
        .options()
        .max_calls(u32::MAX)
        .connect(move |_sender, x| {
            black_box(x);
        });
    connect(&signal, plain);
    signal.send(&1);
    signal
}

/// Returns a signal with receivers for any sender and for one.
fn for_any_and_one(receivers: u64) -> Signal<u64> {
    let signal = Signal::new();
    connect(&signal, receivers);
    let options = signal.options().sender(Sender::key(1));
    options.connect(move |_sender, x| {
        black_box(x);
    });
    signal.from(Sender::key(1)).send(&1);
    signal
}

/// Returns a signal with async receivers.
fn awaited(receivers: u64) -> Signal<u64> {
    let signal = Signal::new();
    for c in 0..receivers {
        signal.connect_async(move |_sender, x| {
            let x = *x;
            Box::pin(async move {
                black_box(c + x);
            })
        });
    }
    pollster::block_on(signal.asend(&1));
    signal
}

#[library_benchmark]
#[bench::to_0(args = (0), setup = signal, config = takes(59.1))]
#[bench::to_1(args = (1), setup = signal, config = takes(299.1))]
#[bench::to_64(args = (64), setup = signal, config = takes(3393.1))]
fn robust(signal: Signal<u64>) -> Signal<u64> {
    for _ in 0..TIMES {
        let _ = black_box(&signal).send_robust(black_box(&1));
    }
    signal
}

#[library_benchmark]
#[bench::to_0(args = (0), setup = responding, config = takes(30.1))]
#[bench::to_1(args = (1), setup = responding, config = takes(588.1))]
#[bench::to_64(args = (64), setup = responding, config = takes(4630.1))]
fn responses(signal: Signal<u64, Result<u64, ()>>) -> Signal<u64, Result<u64, ()>> {
    for _ in 0..TIMES {
        black_box(black_box(&signal).send(black_box(&1)));
    }
    signal
}

#[library_benchmark]
#[bench::to_0(args = (0), setup = responding, config = takes(46.1))]
#[bench::to_1(args = (1), setup = responding, config = takes(716.1))]
#[bench::to_64(args = (64), setup = responding, config = takes(9285.9))]
fn until_err(signal: Signal<u64, Result<u64, ()>>) -> Signal<u64, Result<u64, ()>> {
    for _ in 0..TIMES {
        let _ = black_box(black_box(&signal).send_until_err(black_box(&1)));
    }
    signal
}

#[library_benchmark]
#[bench::to_0(args = (0), setup = responding, config = takes(14.1))]
#[bench::to_1(args = (1), setup = responding, config = takes(217.1))]
#[bench::to_64(args = (64), setup = responding, config = takes(1484.1))]
fn each(signal: Signal<u64, Result<u64, ()>>) -> Signal<u64, Result<u64, ()>> {
    for _ in 0..TIMES {
        let _ = black_box(&signal).send_each(black_box(&1), |_, response| {
            let _ = black_box(response);
            ControlFlow::<()>::Continue(())
        });
    }
    signal
}

#[library_benchmark]
#[bench::to_0(args = (0), setup = signal, config = takes(25.1))]
#[bench::to_1(args = (1), setup = signal, config = takes(233.1))]
#[bench::to_64(args = (64), setup = signal, config = takes(2887.1))]
fn batch(signal: Signal<u64>) -> Signal<u64> {
    for _ in 0..TIMES {
        black_box(&signal).send_batch(black_box(&[1, 2, 3, 4]));
    }
    signal
}

#[library_benchmark]
#[bench::to_0(args = (0), setup = signal, config = takes(410.1))]
#[bench::to_1(args = (1), setup = signal, config = takes(725.1))]
#[bench::to_64(args = (64), setup = signal, config = takes(3251.1))]
fn asend(signal: Signal<u64>) -> Signal<u64> {
    for _ in 0..TIMES {
        pollster::block_on(black_box(&signal).asend(black_box(&1)));
    }
    signal
}

#[library_benchmark]
#[bench::to_1(args = (1), setup = awaited, config = takes(856.1))]
#[bench::to_64(args = (64), setup = awaited, config = takes(73664.3))]
fn asend_awaited(signal: Signal<u64>) -> Signal<u64> {
    for _ in 0..TIMES {
        pollster::block_on(black_box(&signal).asend(black_box(&1)));
    }
    signal
}

#[library_benchmark]
#[bench::to_1(args = (1), setup = weak, config = takes(1173.1))]
#[bench::to_16(args = (16), setup = weak, config = takes(4733.1))]
fn send_weak((signal, targets): (Signal<u64>, Vec<Arc<u64>>)) -> (Signal<u64>, Vec<Arc<u64>>) {
    for _ in 0..TIMES {
        black_box(&signal).send(black_box(&1));
    }
    (signal, targets)
}

#[library_benchmark]
#[bench::among_0(args = (0), setup = limited, config = takes(1114.1))]
#[bench::among_16(args = (8), setup = limited, config = takes(3104.1))]
fn send_limited(signal: Signal<u64>) -> Signal<u64> {
    for _ in 0..TIMES {
        black_box(&signal).send(black_box(&1));
    }
    signal
}

#[library_benchmark]
#[bench::to_1(args = (1), setup = for_any_and_one, config = takes(1014.1))]
#[bench::to_64(args = (64), setup = for_any_and_one, config = takes(6053.1))]
fn send_for_any_and_one(signal: Signal<u64>) -> Signal<u64> {
    for _ in 0..TIMES {
        let sender = black_box(Sender::key(1));
        black_box(&signal).from(sender).send(black_box(&1));
    }
    signal
}

#[library_benchmark]
#[bench::to_1(args = (1), setup = signal, config = takes(1127.2))]
fn commit(signal: Signal<u64>) -> Signal<u64> {
    for _ in 0..TIMES {
        let mut deferred = Deferred::new();
        deferred.record(black_box(&signal), 1);
        deferred.commit();
    }
    signal
}

library_benchmark_group!(
    name = ways,
    benchmarks = [
        robust,
        responses,
        until_err,
        each,
        batch,
        asend,
        asend_awaited,
        send_weak,
        send_limited,
        send_for_any_and_one,
        commit
    ]
);

main!(library_benchmark_groups = ways);
