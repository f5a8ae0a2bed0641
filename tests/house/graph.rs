//! Circles in the graph of imports.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write;

/// From two files, of which the first imports the second, to the imports as `file:line: path`.
pub(crate) type Arrows = BTreeMap<(String, String), Vec<String>>;

/// Returns the sets of files that reach one another, of which each has at least two.
pub(crate) fn circles(arrows: &Arrows) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> = arrows
        .keys()
        .map(|(from, _)| (from, reach(from, arrows)))
        .collect();
    let mut found = BTreeSet::new();
    for (from, others) in &reached {
        if others.contains(from) {
            let back = |other: &&&String| reached.get(*other).is_some_and(|set| set.contains(from));
            found.insert(
                others
                    .iter()
                    .filter(back)
                    .map(|&other| other.clone())
                    .collect(),
            );
        }
    }
    found.into_iter().collect()
}

fn reach<'a>(from: &String, arrows: &'a Arrows) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for (start, end) in arrows.keys() {
            if start == file && reached.insert(end) {
                open.push(end);
            }
        }
    }
    reached
}

/// Returns the files of a shortest circle inside `circle`; the first is also the last.
fn shortest_round(circle: &BTreeSet<String>, arrows: &Arrows) -> Vec<String> {
    let mut best: Option<Vec<String>> = None;
    for start in circle {
        let mut seen = HashSet::new();
        let mut ways = vec![vec![start.clone()]];
        while !ways.is_empty() && best.as_ref().is_none_or(|best| ways[0].len() < best.len()) {
            let mut longer = Vec::new();
            for way in &ways {
                for (from, to) in arrows.keys() {
                    if way.last() == Some(from) && circle.contains(to) && seen.insert(to) {
                        let next = [way.as_slice(), std::slice::from_ref(to)].concat();
                        if to == start {
                            best = Some(next);
                        } else {
                            longer.push(next);
                        }
                    }
                }
            }
            ways = longer;
        }
    }
    best.unwrap()
}

/// Appends the files of a circle, its shortest way round, and every import inside it.
pub(crate) fn describe(
    report: &mut String,
    folder: &str,
    circle: &BTreeSet<String>,
    arrows: &Arrows,
) {
    let names: Vec<_> = circle.iter().map(String::as_str).collect();
    writeln!(
        report,
        "\n{folder}: a circle of {}: {}",
        names.len(),
        names.join(" ")
    )
    .unwrap();
    let shortest = shortest_round(circle, arrows);
    writeln!(report, "  a shortest way round: {}", shortest.join(" -> ")).unwrap();
    let inside = |pair: &(String, String)| circle.contains(&pair.0) && circle.contains(&pair.1);
    for ((from, to), imports) in arrows.iter().filter(|(pair, _)| inside(pair)) {
        writeln!(report, "  {from} -> {to}").unwrap();
        for import in imports {
            writeln!(report, "    {folder}/{import}").unwrap();
        }
    }
}

/// Joins the files of each folder of `src/`.
pub(crate) fn between_folders(arrows: &Arrows) -> Arrows {
    let mut joined = Arrows::new();
    for ((from, to), imports) in arrows {
        if top(from) != top(to) {
            let pair = (top(from).to_owned(), top(to).to_owned());
            joined.entry(pair).or_default().extend(imports.clone());
        }
    }
    joined
}

/// Returns the folder or the file of `src/` that `path` is in.
pub(crate) fn top(path: &str) -> &str {
    path.split('/').next().unwrap()
}
