//! Queries of the first of some rows, by the index that has them in order.
//!
//! PostgreSQL chooses a plan by statistics, and a table of this kind outgrows them within a second:
//! it is empty at one moment and has a million rows at the next. So no query here leaves a choice.
//! A range of one value is in place of `=`, so that the order has two columns, which one index has.
//! `OFFSET 0` keeps an `EXISTS` from becoming a join with the whole table.

/// The end of a query of one row.
pub(super) const ONE: &str = "LIMIT 1 OFFSET 0";

/// Returns a query of the id of the first new event of the name.
pub(super) fn new_event(name: &str) -> String {
    new_event_with(name, "", "")
}

/// Returns a query of the id of the first new event of the name for which the condition holds, or
/// of the last one, with the direction `DESC`.
pub(super) fn new_event_with(name: &str, condition: &str, direction: &str) -> String {
    format!(
        "SELECT n.id FROM fanfare_outbox_event AS n \
         WHERE n.name >= {name} AND n.name <= {name} AND n.state = 0 {condition} \
         ORDER BY n.name {direction}, n.id {direction} {ONE}"
    )
}

/// Returns a query of the event of the receiver's first ready delivery for which the condition
/// holds.
pub(super) fn ready_delivery(receiver: &str, condition: &str) -> String {
    format!(
        "SELECT n.event_id FROM fanfare_outbox_delivery AS n \
         WHERE n.receiver >= {receiver} AND n.receiver <= {receiver} AND n.state = 0 {condition} \
         ORDER BY n.receiver, n.event_id {ONE}"
    )
}
