//! Keeps the sources in order: files and folders import one another in no circle, `src/table/`
//! imports only modules below it, and no two files share a name.
//!
//! An arrow leads from a file to each file that it names in a `use` or in a path in code. A path is
//! followed through re-exports to the file that defines the item. Some names make no arrow: `mod`
//! declarations, re-exports of a child that the file itself leaves unused, doc comments, tests, and
//! code that only rustdoc builds.
//!
//! `HOUSE=print cargo test --test house -- --nocapture` prints the numbers of files, arrows and
//! circles.

mod graph;
mod names;
mod paths;
mod reading;
mod samples;

use graph::{Arrows, between_folders, circles, describe, top};
use reading::{checkout, houses, sources};
use std::collections::{BTreeMap, BTreeSet};

/// Pairs of files that may import each other. `ARCHITECTURE.md` gives the reason for each.
const PAIRS: &[(&str, &str)] = &[
    ("sender/identity.rs", "sender/mod.rs"),
    ("table/held.rs", "table/hub.rs"),
];

/// The modules outside `src/table/` that it may import.
const BELOW_TABLE: &[&str] = &["lock", "sender"];

/// File names that every folder may have: each means the same in all of them.
const COMMON_NAMES: &[&str] = &[
    "mod.rs",
    "tests.rs",
    // A way of delivery: its callables, its connects, its sends, its walk.
    "callee.rs",
    "connect.rs",
    "verbs.rs",
    "walk.rs",
    // The errors of the folder's operations.
    "error.rs",
    // The primitives under the files that model checkers compile.
    "sync.rs",
];

#[test]
fn files_import_one_another_in_no_circle() {
    let mut report = String::new();
    for (folder, house) in houses() {
        let arrows = house.arrows();
        let circles = circles(&arrows);
        print_numbers(&folder, "files", house.files.len(), &arrows, &circles);
        for circle in circles.iter().filter(|circle| !is_allowed(&folder, circle)) {
            describe(&mut report, &folder, circle, &arrows);
        }
    }
    assert!(
        report.is_empty(),
        "files import one another in circles; move an item or cut an import:\n{report}"
    );
}

#[test]
fn folders_import_one_another_in_no_circle() {
    let mut report = String::new();
    for (folder, house) in houses() {
        if house.files.iter().all(|path| !path.contains('/')) {
            continue;
        }
        let arrows = between_folders(&house.arrows());
        let circles = circles(&arrows);
        let rooms: BTreeSet<_> = house.files.iter().map(|path| top(path)).collect();
        print_numbers(&folder, "folders", rooms.len(), &arrows, &circles);
        for circle in circles.iter().filter(|circle| !is_allowed(&folder, circle)) {
            describe(&mut report, &folder, circle, &arrows);
        }
    }
    assert!(
        report.is_empty(),
        "folders import one another in circles; move an item or cut an import:\n{report}"
    );
}

#[test]
fn allowed_pairs_are_few_real_and_explained() {
    assert!(
        PAIRS.len() <= 3,
        "{} pairs of files import each other: cut one",
        PAIRS.len()
    );
    let text = std::fs::read_to_string(checkout().join("ARCHITECTURE.md")).unwrap();
    let found: BTreeSet<_> = houses()
        .iter()
        .flat_map(|(folder, house)| {
            let circles = circles(&house.arrows());
            circles
                .into_iter()
                .map(|circle| in_checkout(folder, &circle))
                .collect::<Vec<_>>()
        })
        .collect();
    for (one, other) in PAIRS {
        let names = [format!("`{one}`"), format!("`{other}`")];
        assert!(
            text.lines()
                .any(|line| names.iter().all(|name| line.contains(name))),
            "no line of ARCHITECTURE.md names {} and {}: give the reason for the pair there",
            names[0],
            names[1]
        );
        let pair = BTreeSet::from([one.to_string(), other.to_string()]);
        assert!(
            found.contains(&pair),
            "{one} and {other} are no circle any more: take the pair off the list"
        );
    }
}

#[test]
fn table_imports_only_the_modules_below_it() {
    let (_, house) = houses().remove(0);
    let offenders: Vec<String> = house
        .arrows()
        .into_iter()
        .filter(|((from, to), _)| {
            let stem = top(to).trim_end_matches(".rs");
            top(from) == "table" && stem != "table" && !BELOW_TABLE.contains(&stem)
        })
        .flat_map(|(_, imports)| imports)
        .map(|import| format!("  src/{import}"))
        .collect();
    assert!(
        offenders.is_empty(),
        "`src/table/` imports modules that are not in {BELOW_TABLE:?}; pass a type parameter instead:\n{}",
        offenders.join("\n")
    );
}

/// Returns the folders and files of `src/` in the order of the rows of the code map, with the
/// number of the first row that has each.
fn rows_of_the_code_map() -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(checkout().join("ARCHITECTURE.md")).unwrap();
    let map = text.split("## Code map").nth(1).unwrap();
    let mut rows = BTreeMap::new();
    for (number, row) in map.lines().filter(|line| line.starts_with('|')).enumerate() {
        let places = row.split('|').nth(2).unwrap_or_default();
        for place in places.split('`').skip(1).step_by(2) {
            let top = top(place.trim_end_matches('/')).to_owned();
            rows.entry(top).or_insert(number);
        }
    }
    rows
}

#[test]
fn a_row_of_the_code_map_imports_only_its_own_row_and_those_above() {
    let rows = rows_of_the_code_map();
    let (_, house) = houses().remove(0);
    let row_of = |path: &str| {
        let top = top(path);
        *rows
            .get(top)
            .unwrap_or_else(|| panic!("the code map in ARCHITECTURE.md has no row for `{top}`"))
    };
    let offenders: Vec<String> = house
        .arrows()
        .into_iter()
        .filter(|((from, to), _)| row_of(from) < row_of(to))
        .flat_map(|(_, imports)| imports)
        .map(|import| format!("  src/{import}"))
        .collect();
    assert!(
        offenders.is_empty(),
        "a row of the code map in ARCHITECTURE.md imports a row below it:\n{}",
        offenders.join("\n")
    );
}

#[test]
fn file_names_are_unique() {
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in sources(&checkout().join("src")).into_keys() {
        let name = path.rsplit('/').next().unwrap().to_owned();
        by_name.entry(name).or_default().push(path);
    }
    by_name.retain(|name, paths| paths.len() > 1 && !COMMON_NAMES.contains(&name.as_str()));
    let report: String = by_name
        .values()
        .map(|paths| format!("  {}\n", paths.join(", ")))
        .collect();
    assert!(
        report.is_empty(),
        "files in `src/` share a name; rename all but one of each:\n{report}"
    );
}

fn is_allowed(folder: &str, circle: &BTreeSet<String>) -> bool {
    let circle = in_checkout(folder, circle);
    PAIRS.iter().any(|(one, other)| {
        let files = BTreeSet::from([one.to_string(), other.to_string()]);
        let folders = BTreeSet::from([one, other].map(|path| top(path).to_owned()));
        circle == files || circle == folders
    })
}

/// Returns the names of a circle's files as `PAIRS` spells them: from `src/` for the core, from the
/// checkout for the crates around it.
fn in_checkout(folder: &str, circle: &BTreeSet<String>) -> BTreeSet<String> {
    let prefix = if folder == "src" {
        String::new()
    } else {
        format!("{folder}/")
    };
    circle
        .iter()
        .map(|path| format!("{prefix}{path}"))
        .collect()
}

fn print_numbers(
    folder: &str,
    kind: &str,
    count: usize,
    arrows: &Arrows,
    circles: &[BTreeSet<String>],
) {
    if std::env::var("HOUSE").is_ok_and(|mode| mode == "print") {
        let sizes: Vec<_> = circles.iter().map(BTreeSet::len).collect();
        let count_of_arrows = arrows.len();
        let of = circles.len();
        println!("{folder}: {count} {kind}, {count_of_arrows} arrows, {of} circles {sizes:?}");
    }
}
