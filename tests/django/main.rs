//! Random programs on fanfare and on Django's own dispatcher. Both must leave the same trace,
//! except for the differences in `rules.rs`.
//!
//! `programs.py` makes the programs and runs them on Django. Set `FANFARE_DJANGO_PYTHON` to an
//! interpreter that has the package `django`. `.ci/run django` installs one.
//! `FANFARE_DJANGO_PROGRAMS` is the number of programs, and `FANFARE_DJANGO_SEED` is the seed of
//! the first.
//!
//! `recorded.txt` has the programs of the seeds 1 to 20 with the traces of Django 6.1.3. They run
//! without Django.

mod program;
mod receivers;
mod rules;
mod shrink;
mod world;

use std::env;
use std::io::{self, Write};
use std::panic::{set_hook, take_hook};
use std::sync::Once;
use std::time::Instant;

use program::Program;
use rules::{Counts, Difference, compare};
use shrink::{Django, shrink};
use world::{Failures, run};

/// Runs a program once with panics and, if its errors are no responses, once with `Err`s. Returns
/// the first difference.
fn check(program: &Program, counts: &mut Counts) -> Result<(), (Failures, Difference)> {
    for failures in [Failures::Panics, Failures::Errors] {
        if failures == Failures::Errors && program.returns_errors() {
            continue;
        }
        let (trace, applied) = run(program, failures);
        counts.add_all(&applied);
        compare(program, trace, counts).map_err(|difference| (failures, difference))?;
    }
    Ok(())
}

/// Leaves the panics of receivers out of the output.
fn silence_programs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |panic| {
            if !world::is_running() {
                hook(panic);
            }
        }));
    });
}

/// Returns the program and both traces, with an arrow at the first lines that differ.
fn describe(program: &Program, failures: Failures, difference: &Difference) -> String {
    let Difference {
        django,
        fanfare,
        line: first,
    } = difference;
    let mut text = format!("{program}failures of receivers: {failures:?}\n");
    for line in 0..django.len().max(fanfare.len()) {
        let arrow = if line == *first { "=>" } else { "  " };
        let [theirs, ours] = [django, fanfare].map(|of| of.get(line).map_or("", String::as_str));
        text += &format!("{arrow} {theirs:<60} | {ours}\n");
    }
    text
}

/// Writes past the test harness, which hides the output of a passing test.
fn print(text: &str) {
    io::stderr().write_all(text.as_bytes()).unwrap();
}

fn number_from_environment(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |number| number.parse().expect("a number"))
}

#[test]
fn random_programs_leave_the_traces_of_django() {
    let Ok(python) = env::var("FANFARE_DJANGO_PYTHON") else {
        print("skipped: FANFARE_DJANGO_PYTHON names no interpreter that has Django\n");
        return;
    };
    silence_programs();
    let seed = number_from_environment("FANFARE_DJANGO_SEED", 1);
    let wanted = number_from_environment("FANFARE_DJANGO_PROGRAMS", 1_000);
    let began = Instant::now();
    let mut django = Django::start(
        &python,
        &["generate", &seed.to_string(), &wanted.to_string()],
    );
    let mut counts = Counts::default();
    let mut programs = 0;
    let mut lines = 0;
    while let Some(program) = django.next_program() {
        programs += 1;
        lines += program.trace.len();
        if check(&program, &mut counts).is_err() {
            let mut again = Django::start(&python, &["run"]);
            let fails = |program: &Program| check(program, &mut Counts::default()).is_err();
            let program = shrink(program, &mut again, fails);
            let (failures, difference) = check(&program, &mut counts).expect_err("it fails");
            panic!(
                "Django {} (left) and fanfare (right) differ in the program of seed {}, which was \
                 shrunk to this:\n{}",
                django.version,
                program.seed,
                describe(&program, failures, &difference)
            );
        }
    }
    print(&format!(
        "{programs} programs with {lines} lines, from seed {seed}, on Django {} in {} s\n{}",
        django.version,
        began.elapsed().as_secs(),
        rules::report(&counts)
    ));
    django.finish();
    assert_eq!(programs, wanted);
}

/// Returns the programs of `recorded.txt`.
fn recorded() -> Vec<Program> {
    let mut lines = include_str!("recorded.txt").lines().map(str::to_owned);
    std::iter::from_fn(|| Program::read(&mut lines)).collect()
}

#[test]
fn recorded_programs_leave_the_traces_of_django() {
    silence_programs();
    let programs = recorded();
    for program in &programs {
        if let Err((failures, difference)) = check(program, &mut Counts::default()) {
            panic!("{}", describe(program, failures, &difference));
        }
    }
    assert_eq!(programs.len(), 20);
}

/// The comparison finds each line that is missing, changed or in another place.
#[test]
fn a_changed_trace_differs() {
    silence_programs();
    let mut changes = 0;
    for program in recorded() {
        let (trace, _) = run(&program, Failures::Panics);
        let mut counts = Counts::default();
        compare(&program, trace.clone(), &mut counts).expect("the trace is Django's");
        if program.has_tasks() || counts.has_ended() {
            continue;
        }
        let mut differs = |change: &dyn Fn(&mut Vec<String>)| {
            let mut changed = trace.clone();
            change(&mut changed);
            if changed != trace {
                changes += 1;
                compare(&program, changed, &mut Counts::default()).expect_err("it was changed");
            }
        };
        for line in 0..trace.len() {
            differs(&|trace| drop(trace.remove(line)));
            differs(&|trace| trace[line].push('0'));
            differs(&|trace| trace.swap(line, 0));
        }
    }
    assert!(changes > 500, "there were {changes} changes");
}
