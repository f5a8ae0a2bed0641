//! Threads that send on one signal at the same time.

use std::sync::Arc;

use super::sends::send;
use crate::cores::on_threads;
use crate::measure::{Case, Effort, measure};
use crate::results::Row;
use crate::rival::{self, Apart, Rival, Visit};

const RECEIVERS: u64 = 4;

/// From one thread to as many as asked for: all, for few, and else the powers of two.
pub(crate) fn counts(most: usize) -> Vec<usize> {
    let counts = 1..=most;
    counts
        .filter(|count| most <= 8 || count.is_power_of_two() || *count == most)
        .collect()
}

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let mut threads = Threads {
        counts: counts(effort.threads),
        cases: Vec::new(),
    };
    rival::each(&mut threads);
    // Threads take a while to start: rounds are longer here.
    let effort = Effort {
        round: effort.round * 5,
        ..Effort { ..*effort }
    };
    measure("threads", &effort, threads.cases)
}

struct Threads {
    counts: Vec<usize>,
    cases: Vec<Case<'static>>,
}

impl Visit for Threads {
    fn visit<R: Rival>(&mut self) {
        let (rival, held) = R::with(RECEIVERS);
        let shared = Arc::new((Apart(rival), held));
        for &count in &self.counts {
            let shared = Arc::new(Arc::clone(&shared));
            let run = move |repeats| {
                let rival = &shared.0.0;
                on_threads(count, &|| send(rival, &mut rival.local(count), repeats))
            };
            self.cases.push(Case {
                rival: R::NAME.into(),
                at: count as u64,
                run: Box::new(run),
            });
        }
    }
}
