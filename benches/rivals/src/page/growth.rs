//! Shows how the costs of ours grow: the values, and their slope beside the claim.

use super::tables::{cells, header, short, thousands};
use super::{Found, Line};

/// From here on the slope is taken: below, fixed costs hide it.
const FROM: u64 = 1_000;

/// A value, its name with its unit, and its claimed growth.
type Claim = (&'static str, &'static str, &'static str);

/// Returns the claims about `work`.
pub(super) fn claims(work: &str) -> &'static [Claim] {
    const FILL: Claim = ("fill", "fill, ns per receiver", "O(log n)");
    const CONNECT: Claim = ("connect", "connect, ns", "O(log n)");
    const DISCONNECT: Claim = ("disconnect", "disconnect of a random one, ns", "O(log n)");
    const MEMORY: Claim = ("bytes", "memory, bytes", "O(n)");
    match work {
        "growth senders" => &[
            FILL,
            CONNECT,
            DISCONNECT,
            ("send", "send, ns", "O(log n)"),
            MEMORY,
        ],
        "weak_dead" => &[
            ("first", "first send, ns for each of the dead", "O(log n)"),
            ("later", "each later send, ns", "O(1)"),
        ],
        _ => &[
            FILL,
            CONNECT,
            DISCONNECT,
            ("send", "send, ns", "O(n)"),
            MEMORY,
        ],
    }
}

pub(super) fn table(found: &Found, work: &str) -> String {
    let lines = found.lines(work);
    let Some(line) = lines.first() else {
        return "Not measured.".into();
    };
    let numbers = found.numbers(&lines);
    let mut head = vec![String::new()];
    head.extend(numbers.iter().map(|&number| thousands(number)));
    head.extend(["slope".into(), "claimed".into()]);
    let mut rows = vec![header(&head)];
    for &(value, name, claimed) in claims(work) {
        let mut row = vec![name.to_string()];
        row.extend(
            numbers
                .iter()
                .map(|&number| line.value(number, value).map_or("-".into(), short)),
        );
        row.push(slope(line, &numbers, value).map_or("-".into(), |slope| format!("{slope:.2}")));
        row.push(claimed.into());
        rows.push(cells(&row));
    }
    rows.join("\n")
}

/// The exponent of the power of n that fits best: 0 for what does not grow, 1 for what grows
/// with n.
fn slope(line: &Line, numbers: &[u64], value: &str) -> Option<f64> {
    let points: Vec<(f64, f64)> = numbers
        .iter()
        .filter(|number| **number >= FROM)
        .filter_map(|&number| {
            Some((
                (number as f64).ln(),
                line.value(number, value)?.max(1e-9).ln(),
            ))
        })
        .collect();
    if points.len() < 2 {
        return None;
    }
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let above: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let below: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    Some(above / below)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Line, slope};
    use crate::results::Row;

    #[test]
    fn the_slope_is_the_exponent() {
        let rows: Vec<Row> = [10, 1_000, 10_000, 100_000]
            .map(|at: u64| {
                let squared = (at as f64).powi(2) * 3.0;
                // A value below the threshold must not matter.
                let value = if at < 1_000 { 1e9 } else { squared };
                Row::new(
                    "growth",
                    "ours",
                    at,
                    BTreeMap::from([("send".into(), value)]),
                )
            })
            .into();
        let line = Line {
            language: "rust",
            rival: "ours",
            rows: rows.iter().collect(),
        };
        let numbers = [10, 1_000, 10_000, 100_000];
        let slope = slope(&line, &numbers, "send").expect("there are points");
        assert!((slope - 2.0).abs() < 1e-9, "{slope}");
    }
}
