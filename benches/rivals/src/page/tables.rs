//! The tables.

use super::{Found, Line, name_of};

/// The line with which a sentence under a table compares the others.
const OURS: &str = "fanfare `signal`";

pub(super) fn taken(found: &Found) -> String {
    let mut rows = vec![header(&["", "date", "commit", "compiler", "machine"])];
    for results in found.all {
        let date = if results.quick {
            format!("{}, **a quick run: no more than a trial**", results.date)
        } else {
            results.date.clone()
        };
        rows.push(cells(&[
            name_of(&results.language),
            &date,
            &format!("`{}`", results.commit),
            &results.compiler,
            &results.machine,
        ]));
    }
    let trips = found.lines("ping pong");
    let trip = |at| trips.first().and_then(|line| line.value(at, "round trip"));
    if let (Some(before), Some(after)) = (trip(1), trip(2)) {
        rows.push(format!(
            "\nA cache line took {before:.0} ns from one core to another and back before the run of Rust, {after:.0} ns \
             after it."
        ));
    }
    rows.join("\n")
}

pub(super) fn about(found: &Found) -> String {
    let mut rows = vec![header(&[
        "",
        "rival",
        "description, and unfair differences",
    ])];
    for line in found.lines("about") {
        rows.push(cells(&[
            name_of(line.language),
            line.rival,
            line.why().unwrap_or_default(),
        ]));
    }
    rows.join("\n")
}

pub(super) fn sends(found: &Found) -> String {
    costs(found, "sends")
}

/// Returns a table of the least and the median time of one repetition, by number, and sentences
/// about the rivals that are faster than ours and those that are missing.
pub(super) fn costs(found: &Found, work: &str) -> String {
    let mut lines = found.lines(work);
    let numbers = found.numbers(&lines);
    let Some(&sorted_by) = numbers.get(numbers.len() / 3) else {
        return missing(&lines);
    };
    sort(&mut lines, |line| line.value(sorted_by, "median"));
    let mut head = vec![String::new(), "rival".into()];
    head.extend(numbers.iter().map(|&number| thousands(number)));
    let mut rows = vec![header(&head)];
    for line in lines.iter().filter(|line| has_values(line)) {
        let mut row = vec![name_of(line.language).to_string(), bold(line)];
        row.extend(numbers.iter().map(|&number| {
            match (line.value(number, "least"), line.value(number, "median")) {
                (Some(least), Some(median)) => format!("{} / {}", short(least), short(median)),
                _ => "-".into(),
            }
        }));
        rows.push(cells(&row));
    }
    rows.push(String::new());
    rows.extend(
        numbers
            .iter()
            .filter_map(|&number| ahead(&lines, number, "median")),
    );
    rows.push(missing(&lines));
    rows.join("\n")
}

pub(super) fn threads(found: &Found) -> String {
    let mut lines = found.lines("threads");
    let numbers = found.numbers(&lines);
    let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else {
        return missing(&lines);
    };
    sort(&mut lines, |line| line.value(last, "median"));
    let mut head = vec![String::new(), "rival".into()];
    head.extend(numbers.iter().map(|number| {
        let threads = if *number == 1 { "thread" } else { "threads" };
        format!("{number} {threads}")
    }));
    head.push(format!("{last} to {first}"));
    let mut rows = vec![header(&head)];
    for line in lines.iter().filter(|line| has_values(line)) {
        let mut row = vec![name_of(line.language).to_string(), bold(line)];
        row.extend(numbers.iter().map(|&number| {
            let median = line.value(number, "median");
            median.map_or("-".into(), short)
        }));
        let ratio = line.value(last, "median").zip(line.value(first, "median"));
        row.push(ratio.map_or("-".into(), |(last, first)| format!("{:.2}", last / first)));
        rows.push(cells(&row));
    }
    rows.push(String::new());
    rows.extend(
        numbers
            .iter()
            .filter_map(|&number| ahead(&lines, number, "median")),
    );
    rows.push(missing(&lines));
    rows.join("\n")
}

pub(super) const PERCENTILES: [&str; 5] = ["p50", "p99", "p99.9", "p99.99", "max"];

pub(super) fn latency(found: &Found) -> String {
    let mut lines = found.lines("latency");
    sort(&mut lines, |line| line.value(4, "p99.9"));
    let mut head = vec!["", "rival"];
    head.extend(PERCENTILES);
    head.push("pairs/µs meanwhile");
    let mut rows = vec![header(&head)];
    for line in lines.iter().filter(|line| has_values(line)) {
        let mut row = vec![name_of(line.language).to_string(), bold(line)];
        row.extend(PERCENTILES.map(|name| line.value(4, name).map_or("-".into(), short)));
        let pairs = line.value(4, "pairs/µs");
        row.push(pairs.map_or("-".into(), |pairs| format!("{pairs:.2}")));
        rows.push(cells(&row));
    }
    rows.push(String::new());
    let percentiles = PERCENTILES.iter().filter_map(|name| {
        let sentence = ahead(&lines, 4, name)?;
        Some(sentence.replacen("at 4", &format!("in {name}"), 1))
    });
    rows.extend(percentiles);
    rows.push(missing(&lines));
    rows.join("\n")
}

/// When the tail was measured.
pub(super) fn tail_taken(found: &Found) -> String {
    let taken = found.lines("tail taken");
    let when = taken.first().and_then(Line::why);
    when.map_or("Not measured.".into(), |when| format!("Measured {when}."))
}

const TAIL: [&str; 6] = ["p50", "p99", "p99.9", "p99.99", "p99.999", "max"];

/// The tail at one rate of changes.
pub(super) fn tail(found: &Found, rate: u64) -> String {
    let mut lines = found.lines("tail");
    sort(&mut lines, |line| line.value(rate, "p99.99"));
    let mut head = vec!["", "rival"];
    head.extend(TAIL);
    head.push("changes a second");
    let mut rows = vec![header(&head)];
    for line in lines
        .iter()
        .filter(|line| line.value(rate, "p50").is_some())
    {
        let mut row = vec![name_of(line.language).to_string(), bold(line)];
        row.extend(TAIL.map(|name| line.value(rate, name).map_or("-".into(), short)));
        row.push(line.value(rate, "changes/s").map_or("-".into(), short));
        rows.push(cells(&row));
    }
    rows.push(missing(&lines));
    rows.join("\n")
}

pub(super) fn memory(found: &Found) -> String {
    let mut lines = found.lines("memory");
    let bytes = |line: &Line| line.rows.first()?.values.get("bytes").copied();
    sort(&mut lines, bytes);
    let mut rows = vec![header(&["", "rival", "bytes", "handle", "receivers"])];
    for line in lines.iter().filter(|line| has_values(line)) {
        let handle = line.rows[0].values.get("handle");
        rows.push(cells(&[
            name_of(line.language).to_string(),
            bold(line),
            bytes(line).map_or("-".into(), |bytes| format!("{bytes:.0}")),
            handle.map_or("-".into(), |handle| format!("{handle:.0}")),
            thousands(line.rows[0].at),
        ]));
    }
    rows.join("\n")
}

/// Returns a sentence about the rivals that are faster than ours at a number, or `None` if ours was
/// not measured.
fn ahead(lines: &[Line], number: u64, name: &str) -> Option<String> {
    let ours = lines.iter().find(|line| line.rival == OURS)?;
    let ours = ours.value(number, name)?;
    let mut ahead: Vec<(f64, &str)> = lines
        .iter()
        .filter(|line| !line.is_ours() && !line.rival.starts_with('('))
        .filter_map(|line| Some((line.value(number, name)?, line.rival)))
        .filter(|(theirs, _)| *theirs < ours)
        .collect();
    ahead.sort_by(|a, b| a.0.total_cmp(&b.0));
    let names: Vec<String> = ahead
        .iter()
        .map(|(theirs, rival)| format!("{rival} ({:.2})", theirs / ours))
        .collect();
    let names = if names.is_empty() {
        "nobody".into()
    } else {
        names.join(", ")
    };
    Some(format!(
        "- Ahead of {OURS} at {}: {names}.",
        thousands(number)
    ))
}

/// Lists the rivals that have no values at a number, with the reasons.
fn missing(lines: &[Line]) -> String {
    let missing = lines.iter().filter_map(|line| {
        let row = line.rows.iter().find(|row| row.why.is_some())?;
        let from = if has_values(line) {
            format!(" at {}", thousands(row.at))
        } else {
            String::new()
        };
        Some(format!("- Missing{from}: {}: {}.", line.rival, line.why()?))
    });
    let missing: Vec<String> = missing.collect();
    missing.join("\n")
}

fn has_values(line: &Line) -> bool {
    line.rows.iter().any(|row| !row.values.is_empty())
}

fn sort(lines: &mut [Line], by: impl Fn(&Line) -> Option<f64>) {
    lines.sort_by(|a, b| {
        let key = |line| by(line).unwrap_or(f64::INFINITY);
        key(a).total_cmp(&key(b))
    });
}

fn bold(line: &Line) -> String {
    if line.is_ours() {
        format!("**{}**", line.rival)
    } else {
        line.rival.into()
    }
}

pub(super) fn header(names: &[impl AsRef<str>]) -> String {
    let rule: Vec<&str> = names.iter().map(|_| "---").collect();
    format!("{}\n|{}|", cells(names), rule.join("|"))
}

pub(super) fn cells(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    format!("| {} |", texts.join(" | "))
}

/// Three digits that matter.
pub(super) fn short(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => thousands(v.round() as u64),
    }
}

pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
