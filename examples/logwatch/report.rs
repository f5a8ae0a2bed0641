//! The report at the end.

use crate::Reading;
use crate::receivers::{self, LOG_LINE, MALFORMED};
use crate::screen::{self, chart, grouped};
use console::style;
use fanfare::connections::unmatched_senders;
use indicatif::HumanBytes;
use std::io::{self, BufWriter, Write};

/// Days drawn unless all are asked for: the most recent ones.
const DAYS_DRAWN: usize = 31;

pub(crate) fn print(reading: &Reading, all_days: bool) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    if reading.malformed > reading.listed {
        let more = grouped(reading.malformed - reading.listed);
        writeln!(
            out,
            "{}  ... and {more} more; --all-malformed lists them all",
            style("malformed").yellow().bold()
        )?;
    }
    if screen::lines_printed() {
        writeln!(out)?;
    }
    what_was_read(&mut out, reading)?;
    heading(&mut out, "Actions")?;
    chart(&mut out, &receivers::actions())?;
    some(&mut out, "States set", &receivers::states())?;
    some(&mut out, "Configuration files", &receivers::decisions())?;
    days(&mut out, all_days)?;
    calls(&mut out, reading)?;
    out.flush()
}

fn heading(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "\n{}", style(text).bold())
}

/// Left out if there is nothing in it.
fn some(out: &mut dyn Write, title: &str, rows: &[(&'static str, u64)]) -> io::Result<()> {
    if rows.iter().all(|(_, count)| *count == 0) {
        return Ok(());
    }
    heading(out, title)?;
    chart(out, rows)
}

fn what_was_read(out: &mut dyn Write, reading: &Reading) -> io::Result<()> {
    let (lines, bytes) = (grouped(reading.lines), grouped(reading.bytes));
    let (sent, malformed) = (grouped(reading.sent), grouped(reading.malformed));
    let width = bytes.len().max(lines.len());
    writeln!(out, "{}", style(format!("Read {}", reading.name)).bold())?;
    writeln!(out, "  lines      {lines:>width$}")?;
    writeln!(
        out,
        "  bytes      {bytes:>width$}  ({})",
        HumanBytes(reading.bytes)
    )?;
    writeln!(out, "  sent       {sent:>width$}")?;
    writeln!(out, "  malformed  {malformed:>width$}")?;
    let sum = grouped(reading.sent + reading.malformed);
    let verdict = if reading.balanced() {
        ""
    } else {
        ": THESE DO NOT AGREE"
    };
    writeln!(
        out,
        "  sums       {sent} sent + {malformed} malformed = {sum} of {lines} lines{verdict}"
    )?;
    if let Some((first, last)) = receivers::span() {
        let seconds = last.seconds_since(first);
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
        writeln!(
            out,
            "  span       {first} to {last} ({days} d {hours} h {minutes} min)"
        )?;
    }
    let seconds = reading.elapsed.as_secs_f64();
    let rate = grouped((reading.sent as f64 / seconds.max(1e-9)) as u64);
    let (elapsed, unit) = if seconds < 1.0 {
        (seconds * 1e3, "ms")
    } else {
        (seconds, "s")
    };
    writeln!(
        out,
        "  speed      {rate} events a second, {elapsed:.1} {unit} in all"
    )
}

fn days(out: &mut dyn Write, all: bool) -> io::Result<()> {
    let days = receivers::days();
    let earlier = if all {
        0
    } else {
        days.len().saturating_sub(DAYS_DRAWN)
    };
    if days.is_empty() {
        return Ok(());
    }
    heading(out, "Events a day")?;
    if earlier > 0 {
        let events = grouped(days[..earlier].iter().map(|(_, count)| count).sum());
        writeln!(
            out,
            "  {} earlier days with {events} events; --all-days draws them too",
            grouped(earlier as u64)
        )?;
    }
    chart(out, &days[earlier..])
}

/// Writes the number of calls of each receiver. Names and senders are the signals' own.
fn calls(out: &mut dyn Write, reading: &Reading) -> io::Result<()> {
    heading(out, "Receivers")?;
    let signals = [
        ("LOG_LINE", LOG_LINE.connections()),
        ("MALFORMED", MALFORMED.connections()),
    ];
    let mut rows = vec![["signal", "receiver", "sender", "calls"].map(String::from)];
    for (signal, connections) in signals {
        for connection in connections {
            let name = connection
                .name
                .rsplit("::")
                .next()
                .unwrap_or_default()
                .to_owned();
            let sender = connection.sender.unwrap_or_else(|| "any".to_owned());
            rows.push([
                signal.to_owned(),
                name,
                sender,
                grouped(reading.calls.of(connection.id)),
            ]);
        }
    }
    let [a, b, c, d] =
        [0, 1, 2, 3].map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or(0));
    for [signal, receiver, sender, calls] in &rows {
        writeln!(
            out,
            "  {signal:<a$}  {receiver:<b$}  {sender:<c$}  {calls:>d$}"
        )?;
    }
    let unmatched = unmatched_senders(&LOG_LINE);
    if !unmatched.is_empty() {
        writeln!(out, "  nothing was sent from: {}", unmatched.join(", "))?;
    }
    Ok(())
}
