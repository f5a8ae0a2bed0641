//! The comparison of two traces, and the differences that are on purpose.

use crate::program::Program;

/// A difference from Django that is on purpose. `docs/django.md` has each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    EmptyUid,
    ClosuresDiffer,
    ErrorsAreResponses,
    OneOfSeveralFailures,
    EveryPanicIsCaught,
    RefusedBeforeSyncReceivers,
    RefusedInSyncReceiver,
    SenderOutlived,
}

impl Rule {
    pub(crate) const ALL: [Rule; 8] = [
        Rule::EmptyUid,
        Rule::ClosuresDiffer,
        Rule::ErrorsAreResponses,
        Rule::OneOfSeveralFailures,
        Rule::EveryPanicIsCaught,
        Rule::RefusedBeforeSyncReceivers,
        Rule::RefusedInSyncReceiver,
        Rule::SenderOutlived,
    ];

    /// Returns the difference with its reason.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Rule::EmptyUid => {
                "An empty uid panics, because it is a mistake. Django ignores it. The program goes \
                 on without a uid."
            }
            Rule::ClosuresDiffer => {
                "Each connect of a closure with captures is a new connection, because values have \
                 no address that identifies them. Django finds the same function object. The \
                 program disconnects the second connection."
            }
            Rule::ErrorsAreResponses => {
                "In a robust send an error that a receiver returned is a response, so that it \
                 differs from a failure. Django has one form for both."
            }
            Rule::OneOfSeveralFailures => {
                "If several async receivers fail, the failure of the first in order travels, so \
                 that its type is known. Django 6.1 raises an `ExceptionGroup`."
            }
            Rule::EveryPanicIsCaught => {
                "A robust send catches every panic, because panics have no kinds. Django lets a \
                 `BaseException` through. The comparison of the program ends there."
            }
            Rule::RefusedBeforeSyncReceivers => {
                "A blocking send from an async receiver to async receivers is refused before any \
                 receiver runs, so that a refused send has no effect. Django calls the sync \
                 receivers first. The comparison of the program ends there."
            }
            Rule::RefusedInSyncReceiver => {
                "A sync receiver of an `asend` runs on the thread that polls, and its blocking \
                 send to async receivers is refused there. Django calls it on another thread, \
                 which may block. The comparison of the program ends there."
            }
            Rule::SenderOutlived => {
                "The death of an identity disconnects its receivers, because no send can reach \
                 them. Django before 6.1 keeps the receivers of dead senders."
            }
        }
    }
}

/// How often each rule applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts([u64; Rule::ALL.len()]);

impl Counts {
    pub(crate) fn add(&mut self, rule: Rule) {
        self.0[rule as usize] += 1;
    }

    pub(crate) fn of(&self, rule: Rule) -> u64 {
        self.0[rule as usize]
    }

    /// Returns `true` if a rule has ended the comparison of a program.
    pub(crate) fn has_ended(&self) -> bool {
        let ends = [
            Rule::EveryPanicIsCaught,
            Rule::RefusedBeforeSyncReceivers,
            Rule::RefusedInSyncReceiver,
        ];
        ends.into_iter().any(|rule| self.of(rule) > 0)
    }

    pub(crate) fn add_all(&mut self, other: &Counts) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}

/// A difference that no rule explains.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) django: Vec<String>,
    pub(crate) fanfare: Vec<String>,
    /// The index of the first lines that differ.
    pub(crate) line: usize,
}

/// Compares the trace of a program with its trace on Django.
pub(crate) fn compare(
    program: &Program,
    fanfare: Vec<String>,
    counts: &mut Counts,
) -> Result<(), Difference> {
    let mut django = program.trace.clone();
    let mut fanfare = fanfare;
    if program.has_tasks() {
        sort_inside_sends(&mut django);
        sort_inside_sends(&mut fanfare);
    }
    for line in 0..django.len().max(fanfare.len()) {
        match (django.get(line), fanfare.get(line)) {
            (Some(theirs), Some(ours)) if theirs == ours => continue,
            (Some(theirs), Some(ours)) => {
                if let Some(rules) = rules_of_line(theirs, ours, &fanfare[line + 1..]) {
                    rules.into_iter().for_each(|rule| counts.add(rule));
                    continue;
                }
                if let Some(rule) = rule_that_ends(&django, &fanfare, line) {
                    counts.add(rule);
                    return Ok(());
                }
            }
            _ => {}
        }
        return Err(Difference {
            django,
            fanfare,
            line,
        });
    }
    Ok(())
}

/// Sorts the lines inside each send of the program itself, which are in no order.
fn sort_inside_sends(lines: &mut [String]) {
    let is_outside = |line: &String| depth_of(line) == 0;
    lines.split_mut(is_outside).for_each(<[String]>::sort);
}

fn depth_of(line: &str) -> u32 {
    let depth = line.split(' ').next().and_then(|depth| depth.parse().ok());
    depth.expect("a line of a trace begins with its depth")
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// Returns the rules by which two lines are the same, or `None` if they are not.
fn rules_of_line(theirs: &str, ours: &str, later: &[String]) -> Option<Vec<Rule>> {
    let (their_words, our_words) = (words(theirs), words(ours));
    if our_words[1] == "look" {
        return rules_of_look(&their_words, &our_words, later);
    }
    if their_words.len() != our_words.len() {
        return None;
    }
    let is_robust = our_words[1].ends_with("robust");
    let mut rules = Vec::new();
    for (theirs, ours) in their_words.into_iter().zip(our_words) {
        if theirs == ours {
            continue;
        }
        // A failure that is a group has the failures of its receivers, in their order.
        let (first, has_more) = match theirs.split_once('+') {
            Some((first, _)) => (first, true),
            None => (theirs, false),
        };
        if has_more && first == ours {
            rules.push(Rule::OneOfSeveralFailures);
        } else if is_robust && theirs.replacen(":error-", ":returned-", 1) == ours {
            rules.push(Rule::ErrorsAreResponses);
        } else {
            return None;
        }
    }
    Some(rules)
}

/// Returns the rule by which Django's list of receivers has more, if these are those of senders
/// that fanfare never sees again.
fn rules_of_look(theirs: &[&str], ours: &[&str], later: &[String]) -> Option<Vec<Rule>> {
    let mut ours = ours.iter().peekable();
    let mut rules = Vec::new();
    for place in theirs {
        if ours.next_if_eq(&place).is_some() {
            continue;
        }
        let sender = place.split('/').nth(1)?;
        let is_seen = later.iter().any(|line| {
            let mut parts = line.split([' ', '/']);
            parts.any(|part| part == sender)
        });
        if !sender.starts_with('I') || is_seen {
            return None;
        }
        rules.push(Rule::SenderOutlived);
    }
    ours.next().is_none().then_some(rules)
}

/// Returns the rule after which the two run different receivers, so that the rest of the program
/// cannot be compared.
fn rule_that_ends(django: &[String], fanfare: &[String], line: usize) -> Option<Rule> {
    let (theirs, ours) = (words(&django[line]), words(&fanfare[line]));
    if let [depth, verb @ ("robust" | "arobust"), "raised", fault] = *theirs {
        let is_exit = fault.split('+').all(|part| part == "exit");
        let outcome = outcome_of(&fanfare[line..], depth, verb);
        if is_exit && outcome.is_some_and(|outcome| outcome.contains(":error-exit")) {
            return Some(Rule::EveryPanicIsCaught);
        }
    }
    if let [depth, verb, "raised", "refused"] = *ours {
        let outcome = words(outcome_of(&django[line..], depth, verb)?);
        let is_async = caller(&fanfare[..line], depth)?.starts_with(['a', 'n']);
        let has_raised = outcome.get(2) == Some(&"raised");
        let is_refused = has_raised && outcome[3] == "refused";
        return match is_async {
            // A sync receiver may have failed before the send came to the async ones.
            true => has_raised.then_some(Rule::RefusedBeforeSyncReceivers),
            false if is_refused => Some(Rule::RefusedBeforeSyncReceivers),
            false => Some(Rule::RefusedInSyncReceiver),
        };
    }
    None
}

/// Returns the line of the send that begins before `lines`.
fn outcome_of<'l>(lines: &'l [String], depth: &str, verb: &str) -> Option<&'l String> {
    let mut same_depth = lines
        .iter()
        .filter(|line| line.split(' ').next() == Some(depth));
    same_depth.next().filter(|line| words(line)[1] == verb)
}

/// Returns the receiver that sends at this depth at the end of `lines`.
fn caller<'l>(lines: &'l [String], depth: &str) -> Option<&'l str> {
    let mut before = lines.iter().rev().map(|line| words(line));
    let call = before.find(|words| words[0] == depth && words[1] == "call")?;
    Some(call[2])
}

/// Prints the rules that applied.
pub(crate) fn report(counts: &Counts) -> String {
    let rules =
        Rule::ALL.map(|rule| format!("{:>8} times {rule:?}: {}\n", counts.of(rule), rule.reason()));
    rules.concat()
}
