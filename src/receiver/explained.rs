//! Whether a send would run the receivers of a table, or the reason why not.

use super::entry::{Entry, Table};
use super::limit::Limit;
use crate::event::Event;
use crate::sender::Sender;
use crate::table::TableEntry;
use crate::table::tree::Item as _;
use crate::tap::context::Context;
use crate::tap::mutes::Mutes;
use crate::tap::verdict::{ExplainedConnection, NotRun, Verdict};

/// Returns every receiver of a table, in the order of their calls.
pub(crate) fn in_order<E: Event, R: 'static>(table: &Table<E, R>) -> Vec<&Entry<E, R>> {
    let mut entries: Vec<_> = table.entries().collect();
    // The keys are behind the entries, so they are read once for each and not in each comparison.
    entries.sort_by_cached_key(|entry| entry.order());
    entries
}

/// Returns the connections of a table, each with the verdict on it. The refusal of the whole send
/// is not among the reasons.
pub(crate) fn explained<E: Event, R: 'static>(
    table: &Table<E, R>,
    sender: &Sender<'_>,
) -> Vec<ExplainedConnection> {
    let context = Context::current();
    let tap = table.peek(sender).tap();
    let mutes = tap.map_or_else(Mutes::default, |tap| tap.mutes_of(sender, &context));
    let entries = in_order(table).into_iter();
    let explained = entries.map(|entry| ExplainedConnection {
        verdict: verdict(entry, sender, &mutes, &context),
        connection: entry.described().info(),
    });
    explained.collect()
}

/// Returns the verdict on one receiver, apart from the others.
fn verdict<E: Event, R: 'static>(
    entry: &Entry<E, R>,
    sender: &Sender<'_>,
    mutes: &Mutes<'_>,
    context: &Context,
) -> Verdict {
    if let Some(reason) = not_selected(entry, sender)
        .or_else(|| has_ended(entry))
        .or_else(|| left_out(entry, mutes, context))
    {
        return reason.into();
    }
    #[cfg(feature = "queue")]
    if entry.about().kind().is_queued() {
        return entry.intake(entry, sender);
    }
    Verdict::WouldRun
}

fn not_selected<E: Event, R: 'static>(entry: &Entry<E, R>, sender: &Sender<'_>) -> Option<NotRun> {
    let other = entry.sender().filter(|own| !own.is(sender))?;
    Some(NotRun::OtherSender {
        sender: other.to_string(),
    })
}

fn has_ended<E: Event, R: 'static>(entry: &Entry<E, R>) -> Option<NotRun> {
    if !entry.is_alive() {
        return Some(NotRun::TargetDied);
    }
    if entry.about().link.is_connected() {
        return None;
    }
    let is_spent = entry.about().link.is_spent();
    let limit = entry.about().options.limit().filter(|_| is_spent);
    let max_calls = limit.map(Limit::max_calls);
    Some(
        max_calls.map_or(NotRun::Disconnected, |max_calls| NotRun::UsedUp {
            max_calls,
        }),
    )
}

/// Returns the mute that concerns the receiver in this context, or the fact that the receiver is of
/// another scope.
fn left_out<E: Event, R: 'static>(
    entry: &Entry<E, R>,
    mutes: &Mutes<'_>,
    context: &Context,
) -> Option<NotRun> {
    if !entry.about().options.is_in(context) {
        return Some(NotRun::OtherScope);
    }
    let rule = mutes.mute_of(entry.described())?;
    Some(NotRun::Muted {
        at: rule.location,
        scope: rule.reach.to_string(),
    })
}
