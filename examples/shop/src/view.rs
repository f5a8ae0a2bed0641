//! The words of the screen.

use std::path::Path;
use std::time::Duration;

use crate::books::{Books, Fault};
use crate::report::Row;
use crate::tally::Tally;

/// The faults that are listed. The others are counted.
const LISTED: usize = 20;

/// Returns the lines that are drawn while the shop is open.
pub(crate) fn live(tally: &Tally, process: u32, last_line: &str) -> Vec<String> {
    let state = &tally.state;
    let (with_owed, most) = tally.kills_with_owed();
    let (undone, sold_out) = (tally.rolled_back.len(), tally.sold_out);
    let mut lines = vec![
        String::new(),
        format!(
            "{:7.1} s  worker {} is process {process}; kills: {}, {with_owed} of them with deliveries owed (at most {most})",
            tally.opened.elapsed().as_secs_f64(),
            tally.kills.len() + 1,
            tally.kills.len(),
        ),
        format!(
            "orders     {:>7} placed, {undone} rolled back ({sold_out} of them sold out)",
            state.orders
        ),
        format!(
            "billed     {:>7}    shipped {}    repeats recognized {}",
            state.invoices, state.shipments, state.recognized
        ),
        format!(
            "new        {:>7} events that are not handed out yet",
            state.new
        ),
        String::new(),
        "receiver          pending  failed    dead    oldest  last error".to_owned(),
    ];
    lines.extend(state.receivers.iter().map(receiver));
    if let Some(error) = &state.relay_error {
        lines.push(format!("the relay fails: {error}"));
    }
    lines.push(String::new());
    lines.push(last_line.to_owned());
    lines
}

fn receiver(row: &Row) -> String {
    let oldest = row.oldest_millis.map_or_else(
        || "-".to_owned(),
        |millis| format!("{:.1} s", Duration::from_millis(millis).as_secs_f64()),
    );
    format!(
        "{:<16} {:>8} {:>7} {:>7} {oldest:>9}  {}",
        row.name,
        row.pending,
        row.failed,
        row.dead,
        row.last_error.as_deref().unwrap_or("-")
    )
}

/// Returns the lines of the books.
pub(crate) fn books(books: &Books, faults: &[Fault], tally: &Tally, folder: &Path) -> Vec<String> {
    let (with_owed, most) = tally.kills_with_owed();
    let orders = books.orders.len();
    let (billed, shipped) = (books.invoices.len(), books.shipments.len());
    let mails = books.mails.len() - books.doubled_mails();
    let sum = |part: fn(&crate::tables::item::Model) -> i64| -> i64 {
        books.items.iter().map(part).sum()
    };
    let goods: i64 = books.shipments.iter().map(|it| it.quantity).sum();
    let cents: i64 = books.invoices.iter().map(|it| it.cents).sum();
    let count = |is: fn(&Fault) -> bool| faults.iter().filter(|fault| is(fault)).count();
    let mut lines = vec![
        String::new(),
        format!(
            "the books of {}, after {:.1} s",
            folder.display(),
            tally.opened.elapsed().as_secs_f64()
        ),
        format!(
            "  kills      {}, {with_owed} of them with deliveries owed (at most {most})",
            tally.kills.len()
        ),
        format!(
            "  orders     {orders} placed, {} rolled back ({} of them sold out)",
            tally.rolled_back.len(),
            tally.sold_out
        ),
        format!("  billed     {billed} of {orders}, {cents} cents"),
        format!(
            "  shipped    {shipped} of {orders}, {} repeated deliveries recognized by billing and shipping",
            books.recognized
        ),
        format!(
            "  mailed     {mails} of {orders}, {} doubled by kills, {} returned",
            books.doubled_mails(),
            books.returned.len()
        ),
        format!(
            "  stock      {} left + {goods} shipped, {} at the start",
            sum(|it| it.stock),
            sum(|it| it.at_start)
        ),
        format!(
            "  lost       {}",
            count(|it| matches!(it, Fault::Lost { .. }))
        ),
        format!(
            "  undone     {} effects of orders that were rolled back",
            count(|it| matches!(it, Fault::RolledBack { .. }))
        ),
        format!(
            "  order      {} of {} customers' orders came out of order",
            count(|it| matches!(it, Fault::OutOfOrder { .. })),
            books.customers.len()
        ),
    ];
    for (order, error) in &tally.returned {
        lines.push(format!("  returned   the mail of order {order}: {error}"));
    }
    lines.extend(
        faults
            .iter()
            .take(LISTED)
            .map(|it| format!("  FAULT      {it}")),
    );
    lines.push(match faults.len() {
        0 => "the books add up".to_owned(),
        more if more > LISTED => {
            format!(
                "the books do not add up: {more} faults, of which the first {LISTED} are listed"
            )
        }
        faults => format!("the books do not add up: {faults} faults"),
    });
    lines
}
