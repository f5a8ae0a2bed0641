//! Writes the page. Text between markers is made from the results, and the other text stays as it
//! is.

mod charts;
mod growth;
mod tables;

use std::error::Error;
use std::fs;
use std::path::Path;

use crate::results::{Results, Row};
use crate::work::tail;

const PAGE: &str = "docs/performance.md";

/// Writes the page and its charts below `out`, with the hand-written text of the repository.
pub(crate) fn write(all: &[Results], root: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let (page, by_hand) = (out.join(PAGE), root.join(PAGE));
    let mut text = fs::read_to_string(&by_hand)
        .map_err(|error| format!("cannot read {}: {error}", by_hand.display()))?;
    let found = Found { all };
    for (name, part) in [
        ("taken", tables::taken(&found)),
        ("about", tables::about(&found)),
        ("sends", tables::sends(&found)),
        ("threads", tables::threads(&found)),
        ("latency", tables::latency(&found)),
        ("tail taken", tables::tail_taken(&found)),
        ("tail 1000", tables::tail(&found, tail::RATES[0])),
        ("tail 100000", tables::tail(&found, tail::RATES[1])),
        ("tail without pause", tables::tail(&found, tail::RATES[2])),
        ("senders same", tables::costs(&found, "senders same")),
        ("senders random", tables::costs(&found, "senders random")),
        ("changes newest", tables::costs(&found, "changes newest")),
        ("changes random", tables::costs(&found, "changes random")),
        ("memory", tables::memory(&found)),
        (
            "growth receivers",
            growth::table(&found, "growth receivers"),
        ),
        ("growth senders", growth::table(&found, "growth senders")),
        ("weak_dead", growth::table(&found, "weak_dead")),
    ] {
        replace(&mut text, name, &part)?;
    }
    let charts = out.join("docs/charts");
    fs::create_dir_all(&charts)?;
    charts::write(&found, &charts)?;
    fs::write(&page, text)?;
    println!("wrote {}", page.display());
    Ok(())
}

fn replace(text: &mut String, name: &str, part: &str) -> Result<(), Box<dyn Error>> {
    let (begin, end) = (
        format!("<!-- begin {name} -->\n"),
        format!("<!-- end {name} -->"),
    );
    let found = text
        .find(&begin)
        .map(|at| at + begin.len())
        .and_then(|from| text[from..].find(&end).map(|length| from..from + length));
    let range =
        found.ok_or_else(|| format!("{PAGE} has no place for `{name}`: put back its markers"))?;
    text.replace_range(range, &format!("\n{part}\n"));
    Ok(())
}

/// The results, to look things up in.
struct Found<'r> {
    all: &'r [Results],
}

/// The results of one rival in one piece of work, by their number.
struct Line<'r> {
    language: &'r str,
    rival: &'r str,
    rows: Vec<&'r Row>,
}

impl<'r> Line<'r> {
    fn value(&self, at: u64, name: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.at == at)?;
        row.values.get(name).copied()
    }

    fn why(&self) -> Option<&'r str> {
        self.rows.iter().find_map(|row| row.why.as_deref())
    }

    fn is_ours(&self) -> bool {
        self.rival.starts_with("fanfare")
    }
}

impl<'r> Found<'r> {
    fn lines(&self, work: &str) -> Vec<Line<'r>> {
        let mut lines: Vec<Line<'r>> = Vec::new();
        for results in self.all {
            for row in results.rows.iter().filter(|row| row.work == work) {
                let same =
                    |line: &&mut Line| line.language == results.language && line.rival == row.rival;
                match lines.iter_mut().find(same) {
                    Some(line) => line.rows.push(row),
                    None => lines.push(Line {
                        language: &results.language,
                        rival: &row.rival,
                        rows: vec![row],
                    }),
                }
            }
        }
        lines
    }

    /// The numbers at which there are values, in order.
    fn numbers(&self, lines: &[Line]) -> Vec<u64> {
        let rows = lines.iter().flat_map(|line| &line.rows);
        let mut numbers: Vec<u64> = rows
            .filter(|row| !row.values.is_empty())
            .map(|row| row.at)
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

fn name_of(language: &str) -> &str {
    match language {
        "rust" => "Rust",
        "cpp" => "C++",
        "python" => "Python",
        other => other,
    }
}
