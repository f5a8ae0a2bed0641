//! Writes copies of `src/table/publish.rs`, `hub.rs`, `held.rs` and `link.rs`, of
//! `src/queue/line.rs` and of the asymmetric cell in each of which one step is weakened. A model
//! that passes over such a copy as well has not checked that step.

#[path = "src/asymmetric/weaker.rs"]
mod asymmetric;
#[path = "src/queue/weaker.rs"]
mod line;

use std::path::Path;
use std::{env, fs};

/// A copy: its name, and what in it is replaced by what.
type Weakened = (&'static str, &'static [(&'static str, &'static str)]);

/// The copies of `publish.rs`, whose texts leave out lines that are comments.
const WEAKENED: &[Weakened] = &[
    (
        "address_after_swap",
        &[(
            "        self.hub.current.store(current, Ordering::Release);
        let old = self.hub.cell.swap(next);
",
            "        let old = self.hub.cell.swap(next);
        self.hub.current.store(current, Ordering::Release);
",
        )],
    ),
    (
        "going_not_told",
        &[(
            "        self.hub.current.store(current, Ordering::Release);
",
            "        if !is_last {
            self.hub.current.store(current, Ordering::Release);
        }
",
        )],
    ),
    (
        "nobody_after_unlock",
        &[
            (
                "            self.hub.current.store(NOBODY, Ordering::Release);
",
                "",
            ),
            (
                "        self.install(next);
        self.mark_unreachable();
    }
",
                "        let is_last = next.is_none();
        self.install(next);
        self.mark_unreachable();
        let hub = self.hub;
        drop(self);
        if is_last {
            hub.current.store(NOBODY, Ordering::Release);
        }
    }
",
            ),
        ],
    ),
    (
        "nobody_not_released",
        &[(
            "current.store(NOBODY, Ordering::Release)",
            "current.store(NOBODY, Ordering::Relaxed)",
        )],
    ),
    (
        "base_before_lock",
        &[(
            "        self.change_with(lock(&self.books.writer), Some(After(self)))
",
            "        let current = self.cell.load_full();
        let mut change = self.change_with(lock(&self.books.writer), Some(After(self)))?;
        change.current = current;
        Ok(change)
",
        )],
    ),
    (
        "discard_base_before_lock",
        &[(
            "        if let Some(writer) = try_lock(&self.books.writer) {
            let Ok(mut change) = self.change_with(writer, Some(After(self))) else {
                return;
            };
",
            "        let current = self.cell.load_full();
        if let Some(writer) = try_lock(&self.books.writer) {
            let Ok(mut change) = self.change_with(writer, Some(After(self))) else {
                return;
            };
            change.current = current;
",
        )],
    ),
    (
        "discard_waits",
        &[(
            "        if let Some(writer) = try_lock(&self.books.writer) {
            let Ok(mut change",
            "        if let Some(writer) = Some(lock(&self.books.writer)) {
            let Ok(mut change",
        )],
    ),
    (
        "key_checked_before_lock",
        &[
            (
                "    garbage: Vec<T::Entry>,
",
                "    garbage: Vec<T::Entry>,
    known: Vec<T::Entry>,
",
            ),
            (
                "            garbage: Vec::new(),
",
                "            garbage: Vec::new(),
            known: Vec::new(),
",
            ),
            (
                "        self.change_with(lock(&self.books.writer), Some(After(self)))
",
                "        let known = lock(&self.books.writer).keys.values().cloned().collect();
        let mut change = self.change_with(lock(&self.books.writer), Some(After(self)))?;
        change.known = known;
        Ok(change)
",
            ),
            (
                "            .and_then(|key| self.writer.keys.get(key))
",
                "            .and_then(|key| self.known.iter().find(|it| it.key().as_ref() == Some(key)))
",
            ),
        ],
    ),
    (
        "removed_unchecked",
        &[(
            "        if entry.link().is_removed() {
            self.garbage.push(entry);
",
            "        if false {
            self.garbage.push(entry);
",
        )],
    ),
    (
        "not_retired",
        &[("self.writer.retired.push_back(old);", "drop(old);")],
    ),
    (
        "freed_unasked",
        &[(
            "            if Arc::get_mut(&mut old).is_some() {
",
            "            if Arc::get_mut(&mut old).is_some() || Arc::strong_count(&old) > 0 {
",
        )],
    ),
    (
        "left_not_released",
        &[(
            "left_spent.swap(true, Ordering::Release)",
            "left_spent.swap(true, Ordering::Relaxed)",
        )],
    ),
    (
        "left_not_acquired",
        &[(
            "left_spent.swap(false, Ordering::Acquire)",
            "left_spent.swap(false, Ordering::Relaxed)",
        )],
    ),
    (
        "left_without_fence",
        &[("            fence(Ordering::SeqCst);\n", "")],
    ),
    (
        "left_not_looked_for",
        &[("        self.0.take_left();\n", "")],
    ),
    (
        "frozen_checked_before_lock",
        &[
            (
                "        self.change_with(lock(&self.books.writer), Some(After(self)))
",
                "        if let Some(at) = self.frozen_at() {
            return Err(at);
        }
        self.change_with(lock(&self.books.writer), Some(After(self)))
",
            ),
            (
                "        if let Some(at) = self.frozen_at() {
            return Err(at);
        }
        Ok(self.begin(writer, after))",
                "        Ok(self.begin(writer, after))",
            ),
        ],
    ),
    (
        "last_table_before_lock",
        &[(
            "        let mut writer = lock(&self.books.writer);
        if self.frozen.get().is_some() {
            return;
        }
        let current = self.cell.load_full();
",
            "        let current = self.cell.load_full();
        let mut writer = lock(&self.books.writer);
",
        )],
    ),
    (
        "last_table_not_kept",
        &[("Frozen { at, table }", "Frozen { at, table: None }")],
    ),
    (
        "empty_not_published",
        &[("!table.is_empty() || is_tapped(table)", "!table.is_empty()")],
    ),
    (
        "tap_not_removed",
        &[(
            "        if tap.is_none() && !is_tapped {
",
            "        if tap.is_none() && [true, false].contains(&is_tapped) {
",
        )],
    ),
    (
        "retap_gives_up",
        &[(
            "        let mut change = self.begin(lock(&self.books.writer), Some(After(self)));
        change.retap(tap());
",
            "        let (writer, is_free) = match try_lock(&self.books.writer) {
            Some(writer) => (writer, true),
            None => (lock(&self.books.writer), false),
        };
        let mut change = self.begin(writer, Some(After(self)));
        if is_free {
            change.retap(tap());
        }
",
        )],
    ),
    (
        "tap_before_lock",
        &[(
            "        let mut change = self.begin(lock(&self.books.writer), Some(After(self)));
        change.retap(tap());
",
            "        let tap = tap();
        let mut change = self.begin(lock(&self.books.writer), Some(After(self)));
        change.retap(tap);
",
        )],
    ),
    (
        "frozen_while_tapped",
        &[("if !is_empty && !is_tapped {", "if !is_empty && [true, false].contains(&is_tapped) {")],
    ),
];

/// The copies of `hub.rs`, in the form of `WEAKENED`.
const HUB: &[Weakened] = &[
    (
        "current_not_acquired",
        &[(
            "self.current.load(Ordering::Acquire)",
            "self.current.load(Ordering::Relaxed)",
        )],
    ),
    (
        "spent_is_live",
        &[(
            "    entry.is_alive() && !entry.link().is_spent()
",
            "    entry.is_alive()
",
        )],
    ),
];

/// The copies of `link.rs`, in the form of `WEAKENED`.
const LINK: &[Weakened] = &[
    (
        "claim_in_two_steps",
        &[(
            "        self.state.fetch_or(SPENT, Ordering::Relaxed) & SPENT == 0
",
            "        let state = self.state.load(Ordering::Relaxed);
        self.state.store(state | SPENT, Ordering::Relaxed);
        state & SPENT == 0
",
        )],
    ),
    (
        "unreachable_before_swap",
        &[("& (UNREACHABLE | SPENT) == 0", "& (REMOVED | SPENT) == 0")],
    ),
    (
        "unreachable_not_released",
        &[(
            "fetch_or(UNREACHABLE, Ordering::Release)",
            "fetch_or(UNREACHABLE, Ordering::Relaxed)",
        )],
    ),
    (
        "unreachable_not_acquired",
        &[(
            "self.state.load(Ordering::Acquire) & (UNREACHABLE",
            "self.state.load(Ordering::Relaxed) & (UNREACHABLE",
        )],
    ),
    (
        "gone_not_released",
        &[(
            "quiet.gone.store(true, Ordering::Release)",
            "quiet.gone.store(true, Ordering::Relaxed)",
        )],
    ),
    (
        "gone_not_acquired",
        &[(
            "self.gone.load(Ordering::Acquire)",
            "self.gone.load(Ordering::Relaxed)",
        )],
    ),
];

/// The copies of `held.rs`, in the form of `WEAKENED`.
const HELD: &[Weakened] = &[
    (
        "taken_while_sending",
        &[
            (
                "        if self.is_sending() {
            return None;
        }
",
                "",
            ),
            (
                "(!held.is_sending()).then_some((held, stale))",
                "Some((held, stale))",
            ),
        ],
    ),
    (
        "idle_not_released",
        &[(
            "is_sending.store(false, Ordering::Release)",
            "is_sending.store(false, Ordering::Relaxed)",
        )],
    ),
    (
        "taken_unasked",
        &[(
            "        let taken = self.table.compare_exchange(
            stale,
            ptr::null_mut(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
",
            "        let _ = stale;
        let taken = Ok::<_, ()>(self.table.swap(ptr::null_mut(), Ordering::Relaxed));
",
        )],
    ),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/asymmetric/weaker.rs");
    println!("cargo::rerun-if-changed=src/queue/weaker.rs");
    write("../src/table/publish.rs", "", WEAKENED);
    write("../src/table/hub.rs", "hub_", HUB);
    write("../src/table/held.rs", "held_", HELD);
    write("../src/table/link.rs", "link_", LINK);
    write("../src/queue/line.rs", "line_", line::WEAKENED);
    let asymmetric = "../src/table/asymmetric";
    write(&format!("{asymmetric}/cell.rs"), "cell_", asymmetric::CELL);
    write(
        &format!("{asymmetric}/nodes.rs"),
        "nodes_",
        asymmetric::NODES,
    );
}

fn write(shipped: &str, prefix: &str, weakened: &[Weakened]) {
    println!("cargo::rerun-if-changed={shipped}");
    let text = fs::read_to_string(shipped)
        .unwrap_or_else(|error| panic!("cannot read `{shipped}`: {error}"));
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: String = text.split_inclusive('\n').filter(is_code).collect();
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    for (name, replacements) in weakened {
        let mut copy = code.clone();
        for (step, weaker) in *replacements {
            let found = copy.matches(step).count();
            assert!(
                found == 1,
                "`{shipped}` has {found} of this step, which `{name}` weakens; adapt the copy:\n{step}"
            );
            copy = copy.replace(step, weaker);
        }
        let path = Path::new(&out).join(format!("{prefix}{name}.rs"));
        fs::write(&path, copy)
            .unwrap_or_else(|error| panic!("cannot write `{}`: {error}", path.display()));
    }
}
