//! The costs of sends that are observed, from shuffled rounds in one process. Informs; fails
//! nothing.

use std::hint::black_box;
use std::io;
use std::time::Instant;

use fanfare::watch::{self, Observer, Recorder, Spans};
use fanfare::{Sender, Signal};
use fanfare_benches::{Case, connect, measure, park_a_thread};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;

/// An observer that needs nothing.
struct Idle;

impl Observer for Idle {
    fn wants_durations(&self) -> bool {
        false
    }
}

fn main() {
    park_a_thread();
    for n in [1, 4, 16, 64] {
        steps(n);
    }
    spans("a registry alone", || {
        tracing::subscriber::set_default(tracing_subscriber::registry())
    });
    spans(
        "a registry and its formatter, with a line for each end",
        || {
            let lines = tracing_subscriber::fmt::layer()
                .with_writer(io::sink)
                .with_span_events(FmtSpan::CLOSE);
            tracing::subscriber::set_default(tracing_subscriber::registry().with(lines))
        },
    );
}

/// The time of a send with each observer.
fn steps(n: u64) {
    println!("\n{n} receivers, ns per send: least / median");
    let unobserved = Signal::<u64>::new();
    connect(&unobserved, n);
    let idle = Signal::<u64>::new();
    connect(&idle, n);
    let recorded = Signal::<u64>::new();
    connect(&recorded, n);
    let recorder = Recorder::new();
    let _watches = [
        watch::signal(&idle, Idle),
        watch::signal(&recorded, recorder.clone()),
    ];
    let results = measure(vec![
        send("unobserved", &unobserved),
        send("an idle observer", &idle),
        send("the recorder", &recorded),
        (
            "a look at the clock".into(),
            Box::new(|repeats| {
                for _ in 0..repeats {
                    black_box(Instant::now());
                }
            }),
        ),
    ]);
    for (name, (least, median)) in &results {
        println!("  {name:<24} {least:>8.1} {median:>8.1}");
    }
    // A send and each receiver have a start and an end.
    let steps = (2 * n + 2) as f64;
    let more = |at: fn((f64, f64)) -> f64| {
        (at(results["the recorder"]) - at(results["an idle observer"])) / steps
    };
    let (least, median) = (more(|it| it.0), more(|it| it.1));
    println!("  the recorder adds {least:.1} / {median:.1} ns for each step");
}

fn send<'s>(name: &str, signal: &'s Signal<u64>) -> Case<'s> {
    let run = move |repeats| {
        for _ in 0..repeats {
            black_box(signal).send(black_box(&1));
        }
    };
    (name.into(), Box::new(run))
}

#[tracing::instrument]
fn receiver(sender: Sender<'_>, event: &u64) {
    black_box(event);
}

#[tracing::instrument]
fn call_all(receivers: &[u64], event: &u64) {
    for _ in receivers {
        receiver(Sender::NONE, event);
    }
}

/// The time of a send with spans beside a loop of functions with spans.
fn spans(subscriber: &str, set: impl Fn() -> DefaultGuard) {
    println!("\nspans to {subscriber}, ns per send and ratios: least / median");
    let _set = set();
    for n in [1, 4, 16, 64] {
        let signal = Signal::<u64>::new();
        connect(&signal, n);
        let _spans = watch::signal(&signal, Spans::new());
        let bare: Case<'_> = (
            "bare".into(),
            Box::new(|repeats| {
                for _ in 0..repeats {
                    for _ in 0..n {
                        receiver(black_box(Sender::NONE), black_box(&1));
                    }
                }
            }),
        );
        let inside: Case<'_> = (
            "inside".into(),
            Box::new(|repeats| {
                for _ in 0..repeats {
                    call_all(black_box(&[0; 64][..n as usize]), black_box(&1));
                }
            }),
        );
        let results = measure(vec![send("signal", &signal), bare, inside]);
        let cell = |name: &str| format!("{:.0} / {:.0}", results[name].0, results[name].1);
        let ratio = |name: &str| {
            let (ours, theirs) = (results["signal"], results[name]);
            format!("{:.2} / {:.2}", ours.0 / theirs.0, ours.1 / theirs.1)
        };
        println!(
            "  {n:>3} receivers: signal {}, a loop {} ({}), a loop in a span {} ({})",
            cell("signal"),
            cell("bare"),
            ratio("bare"),
            cell("inside"),
            ratio("inside"),
        );
    }
}
