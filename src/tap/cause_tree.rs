//! The record of a scope as a tree: each send below the receiver that caused it.

use std::fmt::Write as _;

use super::cause::{Cause, SendId};
use super::steps::{RunWork, Step, Work};
use super::ways::Outcome;

/// Returns the steps as a tree: each send below the receiver that caused it.
pub(crate) fn tree_of(steps: &[Step]) -> String {
    let mut tree = Tree {
        steps,
        text: String::new(),
    };
    let is_root = |step: &&Step| match step.work {
        Work::Send(_) => step.cause.is_none_or(|it| !tree.has(it.send)),
        // One that has been committed is there as a send.
        Work::Deferred { .. } => {
            step.ended.is_none() && step.cause.is_none_or(|it| !tree.has(it.send))
        }
        _ => false,
    };
    let roots: Vec<&Step> = steps.iter().filter(is_root).collect();
    for root in roots {
        tree.add(root, 0);
    }
    tree.text
}

struct Tree<'s> {
    steps: &'s [Step],
    text: String,
}

impl<'s> Tree<'s> {
    fn has(&self, id: SendId) -> bool {
        let is_it = |step: &Step| matches!(&step.work, Work::Send(send) if send.id == id);
        self.steps.iter().any(is_it)
    }

    fn add(&mut self, step: &'s Step, depth: usize) {
        let end = match step.ended {
            None => " (has not ended)",
            Some((_, Outcome::Panicked)) => " (panicked)",
            Some((_, Outcome::Dropped)) => " (dropped)",
            Some((_, Outcome::Failed)) => " (failed)",
            Some((_, Outcome::Returned)) => "",
        };
        let indent = 2 * depth;
        let _ = writeln!(self.text, "{:indent$}{}{end}", "", step.work);
        let below: Vec<&Step> = match &step.work {
            Work::Send(send) => self.runs_of(send.id),
            Work::Run(run) => self.sends_of(run),
            _ => Vec::new(),
        };
        for step in below {
            self.add(step, depth + 1);
        }
    }

    /// Returns the runs of the receivers of a send, and the events in queues that have not been
    /// taken out.
    fn runs_of(&self, id: SendId) -> Vec<&'s Step> {
        let is_it = |step: &&Step| match &step.work {
            Work::Run(run) => run.send == id,
            #[cfg(feature = "queue")]
            Work::Queued(run) => run.send == id && !self.has_run(run),
            _ => false,
        };
        self.steps.iter().filter(is_it).collect()
    }

    #[cfg(feature = "queue")]
    fn has_run(&self, queued: &RunWork) -> bool {
        let is_it = |step: &Step| {
            matches!(&step.work, Work::Run(run)
                if run.send == queued.send && run.receiver == queued.receiver)
        };
        self.steps.iter().any(is_it)
    }

    /// Returns the sends that a run has caused.
    fn sends_of(&self, run: &RunWork) -> Vec<&'s Step> {
        let is_it = |step: &&Step| {
            let is_send = match step.work {
                Work::Send(_) => true,
                // One that has been committed is there as a send.
                Work::Deferred { .. } => step.ended.is_none(),
                _ => false,
            };
            let cause = step.cause;
            let is_its = |it: Cause| it.send == run.send && it.receiver == run.receiver;
            is_send && cause.is_some_and(is_its)
        };
        self.steps.iter().filter(is_it).collect()
    }
}
