//! The report at the end.

use crate::background::{Background, Written, last_stats};
use crate::pump::{CHUNK_LINES, Listed, Reading};
use crate::receivers::Receivers;
use crate::stop;
use crate::tally::{Count, Tally};
use fanfare::Queue;
use indicatif::{HumanBytes, HumanCount};
use std::io::{self, BufWriter, Write};
use std::time::Duration;

pub(crate) struct Books {
    pub(crate) name: String,
    pub(crate) reading: Reading,
    pub(crate) receivers: Receivers,
    pub(crate) background: Background,
    pub(crate) journal: io::Result<Written>,
}

/// The counts of the events that were sent to one receiver.
struct Row {
    mode: &'static str,
    receiver: &'static str,
    sent: u64,
    delivered: u64,
    dropped: u64,
    refused: u64,
    failed: u64,
    /// Neither: the run was interrupted.
    left: u64,
}

impl Row {
    fn of_tally(mode: &'static str, receiver: &'static str, sent: u64, tally: &Tally) -> Self {
        Self {
            mode,
            receiver,
            sent,
            delivered: tally.delivered.get(),
            dropped: 0,
            refused: 0,
            failed: tally.failed.get(),
            left: tally.left.get(),
        }
    }

    /// `failed`: of those that the queue takes for delivered.
    fn of_queue(receiver: &'static str, sent: u64, queue: &Queue, failed: &Count) -> Self {
        let stats = last_stats(queue);
        let failed = failed.get() + stats.panicked;
        Self {
            mode: "queued",
            receiver,
            sent,
            delivered: stats.delivered - failed,
            dropped: stats.dropped,
            refused: stats.rejected,
            failed,
            left: stats.undelivered + (stats.depth + stats.running) as u64,
        }
    }

    fn sum(&self) -> u64 {
        self.delivered + self.dropped + self.refused + self.failed + self.left
    }
}

impl Books {
    /// Returns how many sums do not agree.
    pub(crate) fn print(&self) -> io::Result<usize> {
        let mut out = BufWriter::new(io::stdout().lock());
        let rows = self.rows();
        let faults = self.faults(&rows);
        self.what_was_read(&mut out)?;
        list(&mut out, "Malformed", &self.reading.malformed)?;
        self.what_became_of_it(&mut out, &rows, &faults)?;
        list(&mut out, "Failures", &self.reading.failures)?;
        if self.reading.sent > 0 {
            self.findings(&mut out)?;
        }
        out.flush()?;
        Ok(faults.len())
    }

    fn rows(&self) -> Vec<Row> {
        let Self {
            reading,
            receivers,
            background,
            ..
        } = self;
        let sent = reading.sent;
        let (journal, history) = (&background.journal_queue, &background.history_queue);
        let mut rows = vec![
            Row::of_tally("sync", "totals", sent, &receivers.totals.tally),
            Row::of_queue("journal", sent, journal, &background.journal.failed),
            Row::of_queue("history", sent, history, &Count::default()),
        ];
        for (_, name, tally) in &reading.digest.tallies {
            rows.push(Row::of_tally("parallel", name, reading.chunks, tally));
        }
        rows.push(Row::of_tally(
            "async",
            "index",
            sent,
            &receivers.index.tally,
        ));
        rows
    }

    /// The sums that do not agree, in words.
    fn faults(&self, rows: &[Row]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |what: &str, is: u64, should_be: u64| {
            if is != should_be {
                faults.push(format!("{what} is {is}, should be {should_be}"));
            }
        };
        let (reading, totals) = (&self.reading, &self.receivers.totals);
        let taken = reading.sent + reading.malformed.count;
        check("sent and malformed", taken, reading.lines);
        for row in rows {
            check(row.receiver, row.sum(), row.sent);
        }
        let by_action = totals.actions().map(|(_, count)| count).sum();
        check(
            "the sum of the totals",
            by_action,
            totals.tally.delivered.get(),
        );
        check("lines in chunks", reading.digest.lines, reading.sent);
        if let Ok(written) = &self.journal {
            // One that has outlived the grace may have written its line meanwhile.
            let mut rows = rows.iter().filter(|row| row.receiver == "journal");
            let (delivered, left) = rows.next().map_or((0, 0), |row| (row.delivered, row.left));
            if left == 0 {
                check("lines in the journal", written.lines, delivered);
            }
        }
        faults
    }

    fn what_was_read(&self, out: &mut dyn Write) -> io::Result<()> {
        let reading = &self.reading;
        let end = match (stop::requested(), &reading.failed) {
            (true, _) => ", interrupted",
            (false, Some(_)) => ", not to its end",
            (false, None) => "",
        };
        writeln!(out, "Read {}{end}", self.name)?;
        writeln!(out, "  lines      {}", HumanCount(reading.lines))?;
        let bytes = reading.bytes;
        writeln!(
            out,
            "  bytes      {}  ({})",
            HumanCount(bytes),
            HumanBytes(bytes)
        )?;
        writeln!(out, "  sent       {}", HumanCount(reading.sent))?;
        writeln!(out, "  malformed  {}", HumanCount(reading.malformed.count))?;
        if let Some((first, last)) = self.receivers.totals.span() {
            let seconds = last.seconds_since(first);
            let (days, hours, minutes) =
                (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
            writeln!(
                out,
                "  span       {first} to {last} ({days} d {hours} h {minutes} min)"
            )?;
        }
        let rate = |time: Duration| {
            HumanCount((reading.sent as f64 / time.as_secs_f64().max(1e-9)) as u64)
        };
        writeln!(
            out,
            "  speed      {} events a second until all were sent ({:.1?}), {} until all were delivered ({:.1?})",
            rate(reading.sending),
            reading.sending,
            rate(reading.total),
            reading.total
        )
    }

    fn what_became_of_it(
        &self,
        out: &mut dyn Write,
        rows: &[Row],
        faults: &[String],
    ) -> io::Result<()> {
        writeln!(out, "\nDelivery")?;
        let titles = [
            "mode",
            "receiver",
            "sent",
            "delivered",
            "dropped",
            "refused",
            "failed",
            "left",
        ];
        let cells = |row: &Row| {
            let counts = [
                row.sent,
                row.delivered,
                row.dropped,
                row.refused,
                row.failed,
                row.left,
            ];
            let mut cells = vec![row.mode.to_owned(), row.receiver.to_owned()];
            cells.extend(counts.map(|count| HumanCount(count).to_string()));
            cells
        };
        let mut table = vec![titles.map(str::to_owned).to_vec()];
        table.extend(rows.iter().map(cells));
        let width = |column: usize| table.iter().map(|row| row[column].len()).max();
        let widths: Vec<_> = (0..titles.len()).filter_map(width).collect();
        for row in &table {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if column < 2 {
                    write!(out, "  {cell:<width$}")?;
                } else {
                    write!(out, "  {cell:>width$}")?;
                }
            }
            writeln!(out)?;
        }
        writeln!(
            out,
            "  Parallel receivers get chunks of up to {CHUNK_LINES} lines, all others each line by itself."
        )?;
        match faults {
            [] => writeln!(
                out,
                "  sums       agree: sent = delivered + dropped + refused + failed + left, in each row"
            ),
            faults => writeln!(out, "  sums       DO NOT AGREE: {}", faults.join("; ")),
        }
    }

    fn findings(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\nFindings")?;
        let totals = &self.receivers.totals;
        let words = |counts: &mut dyn Iterator<Item = (&'static str, u64)>| {
            let counts = counts.filter(|(_, count)| *count > 0);
            let counts: Vec<_> = counts
                .map(|(word, count)| format!("{word} {}", HumanCount(count)))
                .collect();
            counts.join(", ")
        };
        writeln!(out, "  actions   {}", words(&mut totals.actions()))?;
        writeln!(out, "  states    {}", words(&mut totals.states()))?;
        match &self.journal {
            Ok(written) => writeln!(
                out,
                "  journal   {} lines, {} bytes in {:?}{}",
                HumanCount(written.lines),
                HumanCount(written.bytes),
                written.path,
                if written.kept { "" } else { ", removed" }
            )?,
            Err(error) => writeln!(out, "  journal   {error}")?,
        }
        let (packages, busiest) = self.background.history.busiest(3);
        writeln!(
            out,
            "  history   {packages} packages, as far as it was delivered"
        )?;
        for (package, changes, last) in busiest {
            writeln!(
                out,
                "            {package}: {changes} changes, the last {last}"
            )?;
        }
        let digest = &self.reading.digest;
        writeln!(
            out,
            "  chunks    {}, checksum {:016x}, longest line {} bytes, {:.3} bits of entropy a byte",
            HumanCount(self.reading.chunks),
            digest.checksum,
            digest.longest,
            digest.entropy()
        )?;
        let (packages, lines) = self.receivers.index.size();
        writeln!(
            out,
            "  index     {} packages, {} lines about them",
            HumanCount(packages as u64),
            HumanCount(lines as u64)
        )
    }
}

/// Left out if there is nothing in it.
fn list(out: &mut dyn Write, title: &str, listed: &Listed) -> io::Result<()> {
    if listed.count == 0 {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    for (number, text) in &listed.first {
        writeln!(out, "  line {number}: {text}")?;
    }
    let more = listed.count - listed.first.len() as u64;
    if more > 0 {
        writeln!(out, "  ... and {} more", HumanCount(more))?;
    }
    Ok(())
}
