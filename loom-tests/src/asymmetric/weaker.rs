//! Copies of `src/table/asymmetric/cell.rs` and `nodes.rs` in each of which one step is weaker:
//! see `build.rs`.

/// The copies of `cell.rs`: the name of each, and its replacements, each with the old text and the
/// new.
pub(crate) const CELL: &[(&str, &[(&str, &str)])] = &[
    (
        "entered_without_barrier",
        &[("        barrier();\n        let table", "        let table")],
    ),
    (
        "left_without_barrier",
        &[("        barrier();\n        self.owed", "        self.owed")],
    ),
    (
        "looked_without_barrier",
        &[(
            "        if !heavy() {
            mem::forget(Arc::clone(old));
            return;
        }
",
            "",
        )],
    ),
    (
        "looked_again_without_barrier",
        &[(
            "        if !heavy() {
            return;
        }
",
            "",
        )],
    ),
    (
        "about_not_said",
        &[(
            "        slot.held.store(self.about(), Ordering::Release);
",
            "",
        )],
    ),
    (
        "about_not_awaited",
        &[(
            "            if held != self.about() {",
            "            if true {",
        )],
    ),
    (
        "not_looked_again",
        &[("        if !is_held {", "        if true {")],
    ),
    (
        "debt_left_over",
        &[("                && slot.take_owed(table)\n", "")],
    ),
    (
        "debt_without_count",
        &[(
            "                mem::forget(Arc::clone(old));
                slot.owed",
            "                slot.owed",
        )],
    ),
    (
        "taken_back_anyway",
        &[(
            "                && slot.held.load(Ordering::Acquire) != table
",
            "",
        )],
    ),
    (
        "debt_not_looked_for",
        &[(
            "        self.owed.load(Ordering::Relaxed) != 0",
            "        false",
        )],
    ),
    (
        "debt_taken_in_two_steps",
        &[(
            "        self.owed
            .compare_exchange(table, 0, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
",
            "        let is_owed = self.owed.load(Ordering::Acquire) == table;
        if is_owed {
            self.owed.store(0, Ordering::Relaxed);
        }
        is_owed
",
        )],
    ),
    (
        "debt_of_another_taken",
        &[(
            "        self.owed
            .compare_exchange(table, 0, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
",
            "        table != 0 && self.owed.swap(0, Ordering::AcqRel) != 0
",
        )],
    ),
    (
        "debt_before_its_count",
        &[(
            "                mem::forget(Arc::clone(old));
                slot.owed.store(table, Ordering::Release);
",
            "                slot.owed.store(table, Ordering::Release);
                mem::forget(Arc::clone(old));
",
        )],
    ),
    (
        "writers_out_of_turn",
        &[("        let _turn = lock(&NODES.turn);\n", "")],
    ),
    (
        "left_not_released",
        &[(
            "self.held.store(0, Ordering::Release)",
            "self.held.store(0, Ordering::Relaxed)",
        )],
    ),
    (
        "look_not_acquired",
        &[(
            "let held = slot.held.load(Ordering::Acquire);",
            "let held = slot.held.load(Ordering::Relaxed);",
        )],
    ),
    (
        "second_look_not_acquired",
        &[(
            "&& slot.held.load(Ordering::Acquire) != table",
            "&& slot.held.load(Ordering::Relaxed) != table",
        )],
    ),
    (
        "load_not_acquired",
        &[(
            "self.current.load(Ordering::Acquire)",
            "self.current.load(Ordering::Relaxed)",
        )],
    ),
    (
        "swap_not_released",
        &[(
            "self.current.swap(next, Ordering::AcqRel)",
            "self.current.swap(next, Ordering::Acquire)",
        )],
    ),
];

/// The copies of `nodes.rs`, in the form of [`CELL`].
pub(crate) const NODES: &[(&str, &[(&str, &str)])] = &[
    (
        "node_taken_in_two_steps",
        &[(
            "        self.is_taken
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
",
            "        let is_taken = self.is_taken.load(Ordering::Acquire);
        self.is_taken.store(true, Ordering::Relaxed);
        !is_taken
",
        )],
    ),
    (
        "node_not_acquired",
        &[(
            "compare_exchange(false, true, Ordering::Acquire,",
            "compare_exchange(false, true, Ordering::Relaxed,",
        )],
    ),
    (
        "node_not_given_back",
        &[(
            "        self.is_taken.store(false, Ordering::Release);
",
            "",
        )],
    ),
    (
        "node_pushed_in_two_steps",
        &[(
            "            let pushed = NODES.head.compare_exchange(
                head,
                ptr::from_ref(node).cast_mut(),
                Ordering::Release,
                Ordering::Relaxed,
            );
",
            "            NODES.head.store(ptr::from_ref(node).cast_mut(), Ordering::Release);
            let pushed: Result<_, *mut Node> = Ok(head);
",
        )],
    ),
    (
        "push_not_released",
        &[(
            "                Ordering::Release,
                Ordering::Relaxed,
",
            "                Ordering::Relaxed,
                Ordering::Relaxed,
",
        )],
    ),
    (
        "nodes_not_acquired",
        &[(
            "NODES.head.load(Ordering::Acquire)",
            "NODES.head.load(Ordering::Relaxed)",
        )],
    ),
];
