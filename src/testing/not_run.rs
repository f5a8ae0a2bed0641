//! The receivers that did not run in the sends of a scope, each with the reason.

use std::fmt::Write as _;

use super::test_scope::Scope;
use crate::sender::{Sender, SenderKey};
use crate::tap::signals::{self, Member};
use crate::tap::steps::{RunWork, SendWork, Step, Work};
use crate::tap::verdict::{ExplainedConnection, Verdict};
use crate::tap::ways::SendWay;

/// The number of lines after which the others are only counted.
const LINES: usize = 20;

/// Returns a line for each receiver that did not run in the sends of `steps`, with the reason as
/// [`Signal::explain`](crate::Signal::explain) gives it at this moment. The text is empty if all
/// did.
pub(super) fn not_run(scope: &Scope, steps: &[Step]) -> String {
    let members = signals::in_use();
    let mut lines: Vec<String> = Vec::new();
    for step in steps {
        let Work::Send(send) = &step.work else {
            continue;
        };
        // The other receivers of the signal get no stored event.
        if send.way == SendWay::Durable {
            continue;
        }
        let Some(member) = members.iter().find(|it| it.info.number() == send.signal) else {
            continue;
        };
        let of_send = reasons(scope, member, send, steps, step.ended.is_some());
        for line in of_send {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    let mut text = "receivers that did not run:\n".to_owned();
    for line in lines.iter().take(LINES) {
        let _ = writeln!(text, "  {line}");
    }
    if lines.len() > LINES {
        let _ = writeln!(text, "  and {} more", lines.len() - LINES);
    }
    text
}

/// Returns a line for each receiver that did not run in `send`.
fn reasons(
    scope: &Scope,
    member: &Member,
    send: &SendWork,
    steps: &[Step],
    has_ended: bool,
) -> Vec<String> {
    let sender = send.sender.as_ref();
    let sender = sender.map_or(Sender::NONE, SenderKey::as_sender);
    // The last handle to the signal may be this one, and destructors of receivers then run here.
    let Some(signal) = member.hub.upgrade() else {
        return Vec::new();
    };
    let explained = scope.context().enter(|| signal.explained(&sender));
    let runs: Vec<&RunWork> = steps
        .iter()
        .filter_map(|step| reached(step, send))
        .collect();
    let has_run =
        |it: &&ExplainedConnection| runs.iter().any(|run| run.receiver == it.connection.id);
    let last = explained.iter().rposition(|it| has_run(&it));
    let mut lines = Vec::new();
    for (place, it) in explained.iter().enumerate() {
        if has_run(&it) {
            continue;
        }
        let reason = match (&it.verdict, last) {
            (Verdict::WouldNotRun(reason), _) => reason.to_string(),
            _ if !has_ended => continue,
            (_, Some(last)) if place > last => format!(
                "the send ended after {}, or this was connected later",
                explained[last].connection.name
            ),
            _ => "connected later, or left out at that time".to_owned(),
        };
        let connection = &it.connection;
        lines.push(format!(
            "{} at {}, in {}: {reason}",
            connection.name,
            connection.location,
            Work::Send(send.clone())
        ));
    }
    lines
}

/// Returns the run of a receiver that `step` is, if the receiver was reached by `send`.
fn reached<'s>(step: &'s Step, send: &SendWork) -> Option<&'s RunWork> {
    let run = match &step.work {
        Work::Run(run) => run,
        #[cfg(feature = "queue")]
        Work::Queued(run) => run,
        #[cfg(feature = "tokio")]
        Work::Elsewhere(run) => run,
        _ => return None,
    };
    (run.send == send.id).then_some(run)
}
