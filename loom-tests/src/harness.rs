//! Runs a model over every schedule that loom or shuttle comes to, and wants each of its
//! outcomes reached: a model whose threads never met proves nothing.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Instant;

use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};

/// A small program with an outcome.
#[derive(Clone, Copy)]
pub(crate) struct Model {
    pub(crate) name: &'static str,
    /// Every outcome that there is.
    pub(crate) outcomes: &'static [&'static str],
    /// Runs once; panics where a promise is broken.
    pub(crate) run: fn() -> String,
}

/// The number of runs with each outcome of a model.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, usize>>>);

impl Seen {
    fn run(&self, model: Model, outcomes: &[&str]) {
        let outcome = (model.run)();
        assert!(
            outcomes.contains(&outcome.as_str()),
            "`{}` has the outcome `{outcome}`, which must not be",
            model.name
        );
        *self.counts().entry(outcome).or_default() += 1;
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs(&self) -> usize {
        self.counts().values().sum()
    }

    fn report(&self, by: &str, model: Model, began: Instant) {
        let (name, runs, took) = (model.name, self.runs(), began.elapsed().as_secs_f64());
        println!(
            "{name} by {by}: {runs} executions in {took:.2} s, {:?}",
            self.counts()
        );
    }

    fn want(&self, model: Model, outcomes: &[&str]) {
        for outcome in outcomes {
            assert!(
                self.counts().contains_key(*outcome),
                "`{}` never reached the outcome `{outcome}` in {} executions",
                model.name,
                self.runs()
            );
        }
    }
}

/// Preemptions in one execution; `LOOM_MAX_PREEMPTIONS` can only raise it.
const PREEMPTIONS: usize = 3;
/// Steps in one execution; `LOOM_MAX_BRANCHES` can only raise it.
const BRANCHES: usize = 100_000;

/// Runs the model over loom, with a bound on preemptions.
pub(crate) fn loom(model: Model) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.max(Some(PREEMPTIONS));
    loom_by(builder, "loom", model);
}

/// Runs a model as [`loom`] does, with fewer preemptions, because it is larger.
pub(crate) fn loom_large(model: Model) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.max(Some(PREEMPTIONS - 1));
    loom_by(builder, "loom with fewer preemptions", model);
}

/// Runs a model as [`loom`] does, with more preemptions.
pub(crate) fn loom_deep(model: Model) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.max(Some(PREEMPTIONS + 1));
    loom_by(builder, "loom with more preemptions", model);
}

/// Runs the model over loom, without a bound.
pub(crate) fn loom_unbounded(model: Model) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = None;
    loom_by(builder, "loom without bound", model);
}

fn loom_by(mut builder: loom::model::Builder, by: &str, model: Model) {
    layer_panic_hooks();
    builder.max_branches = builder.max_branches.max(BRANCHES);
    let began = Instant::now();
    let seen = Seen::default();
    let of_runs = seen.clone();
    builder.check(move || of_runs.run(model, model.outcomes));
    seen.report(by, model, began);
    seen.want(model, model.outcomes);
}

/// The seed of random schedules, so that a run can be repeated; `SHUTTLE_RANDOM_SEED` selects
/// another.
const SEED: u64 = 7;
/// Schedules of a kind.
const SCHEDULES: usize = 10_000;
/// A search through all schedules is given up after this many.
const ALL_SCHEDULES: usize = 100_000;

/// Runs the model over shuttle: at random, with few preemptions, and through all schedules
/// where they are not too many.
pub(crate) fn shuttle(model: Model) {
    shuttle_random(model);
    let seen = Seen::default();
    let all = DfsScheduler::new(Some(ALL_SCHEDULES), false);
    shuttle_by(all, "all", model, &seen);
    if seen.runs() < ALL_SCHEDULES {
        seen.want(model, model.outcomes);
    }
}

/// Runs a model in random schedules. It is for a model with a loop that waits for another thread,
/// because [`shuttle`] would try schedules in which the other thread never runs.
pub(crate) fn shuttle_random(model: Model) {
    let seen = Seen::default();
    let random = RandomScheduler::new_from_seed(SEED, SCHEDULES);
    shuttle_by(random, "random", model, &seen);
    let few = PctScheduler::new_from_seed(SEED, 3, SCHEDULES);
    shuttle_by(few, "random and few preemptions", model, &seen);
    seen.want(model, model.outcomes);
}

fn shuttle_by(scheduler: impl Scheduler + 'static, by: &str, model: Model, seen: &Seen) {
    layer_panic_hooks();
    let began = Instant::now();
    let of_runs = seen.clone();
    let mut config = shuttle::Config::new();
    config.silence_warnings = true;
    shuttle::Runner::new(scheduler, config).run(move || of_runs.run(model, model.outcomes));
    seen.report(by, model, began);
}

/// loom ends each thread with a panic, and hides it with a hook of its first execution. shuttle's
/// hook, of its own first execution, has to be there by then, or it reports all of them.
fn layer_panic_hooks() {
    static LAYERED: Once = Once::new();
    LAYERED.call_once(|| shuttle::check_random(|| (), 1));
}

/// Wants the model to fail in this way.
pub(crate) fn must_fail(run: impl FnOnce(Model), model: Model, expected: &str) {
    let failed = catch_unwind(AssertUnwindSafe(|| run(model)));
    let Err(payload) = failed else {
        panic!(
            "`{}` passes over a weakened copy: it checks nothing of it",
            model.name
        );
    };
    let message = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("");
    println!("{} fails, as it must: {message}", model.name);
    assert!(
        message.contains(expected),
        "`{}` fails with `{message}` and not with `{expected}`",
        model.name
    );
}
