//! Copies of `src/queue/line.rs` in each of which one step is weaker: see `build.rs`.

/// The copies of `line.rs`: the name of each, and its replacements, each with the old text and the
/// new.
pub(crate) const WEAKENED: &[(&str, &[(&str, &str)])] = &[
    (
        "closed_not_seen",
        &[(
            "        if ticket & CLOSED != 0 {
            return self.refuse_late(item);
        }
",
            "",
        )],
    ),
    (
        "ticket_in_two_steps",
        &[(
            "        let ticket = self.tickets.fetch_add(TICKET, Ordering::Relaxed);
",
            "        let ticket = self.tickets.load(Ordering::Relaxed);
        self.tickets.fetch_add(TICKET, Ordering::Relaxed);
",
        )],
    ),
    (
        "worker_goes_early",
        &[(
            "        if open.unsettled == 0 {
            self.channel.wake(Waiter::Worker);
        }
",
            "        self.channel.wake(Waiter::Worker);
",
        )],
    ),
    (
        "worker_not_told",
        &[(
            "        if open.unsettled == 0 {
            self.channel.wake(Waiter::Worker);
        }
",
            "",
        )],
    ),
    (
        "wake_not_passed_on",
        &[(
            "                        self.channel.wake(Waiter::Worker);
",
            "",
        )],
    ),
    (
        "drain_goes_early",
        &[(
            "            let open = self.open(&books);
            if open.unsettled == open.running {
",
            "            let open = self.open(&books);
            if true {
",
        )],
    ),
    (
        "drain_not_told",
        &[(
            "            self.channel.wake(Waiter::Drain);
",
            "",
        )],
    ),
    (
        "drain_waits_for_what_runs",
        &[(
            "            let open = self.open(&books);
            if open.unsettled == open.running {
",
            "            let open = self.open(&books);
            if open.unsettled == 0 {
",
        )],
    ),
    (
        "start_not_refused",
        &[(
            "            if seen & GIVEN_UP != 0 {
                return false;
            }
",
            "",
        )],
    ),
    (
        "start_in_two_steps",
        &[(
            "            match word.compare_exchange_weak(
                seen,
                seen + RUNNING,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
",
            "            seen = word.fetch_add(RUNNING, Ordering::Release) & 0;
            return seen == 0;
",
        )],
    ),
    (
        "left_over_unsorted",
        &[(
            "                left_over.sort_unstable_by_key(|parcel| parcel.ticket);
",
            "",
        )],
    ),
    (
        "waits_for_room_not_ended",
        &[(
            "        self.channel.close();
",
            "",
        )],
    ),
    (
        "refusal_not_settled",
        &[(
            "        self.rejected.fetch_add(1, Ordering::Release);
        self.settle_aside(parcel.ticket);
",
            "        self.rejected.fetch_add(1, Ordering::Release);
",
        )],
    ),
    (
        "close_not_watched",
        &[(
            "        books.closed = true;
        self.watch(0);
        self.watch(1);
",
            "        books.closed = true;
",
        )],
    ),
    (
        "close_does_not_tell",
        &[(
            "        self.changed.notify_all();
        self.tell_of(&books);
        drop(books);
",
            "        drop(books);
",
        )],
    ),
    (
        "finish_not_told",
        &[(
            "        let before =
            self.delivered[bit(started.ticket)].fetch_add(ONE - RUNNING, Ordering::Release);
        if before & WATCHED != 0 {
",
            "        let before =
            self.delivered[bit(started.ticket)].fetch_add(ONE - RUNNING, Ordering::Release);
        if before & WATCHED == 1 << 63 {
",
        )],
    ),
    (
        "watched_after_the_look",
        &[(
            "                self.watch(books.last_bit());
                if self.is_last_round_over(&books) {
",
            "                let is_over = self.is_last_round_over(&books);
                self.watch(books.last_bit());
                if is_over {
",
        )],
    ),
    (
        "others_unwatched",
        &[(
            "        if books.waiting == 0 && !books.closed {
",
            "        if !books.closed {
",
        )],
    ),
    (
        "rounds_without_bits",
        &[
            (
                "    usize::from(ticket & ROUND != 0)
",
                "    usize::from(ticket & ROUND == 1 << 63)
",
            ),
            (
                "        usize::from(self.round % 2 == 0)
",
                "        0
",
            ),
            (
                "        self.settled(bit) == books.accepted[bit]
",
                "        self.settled(bit) >= books.accepted[bit]
",
            ),
        ],
    ),
    (
        "finish_not_released",
        &[(
            "fetch_add(ONE - RUNNING, Ordering::Release)",
            "fetch_add(ONE - RUNNING, Ordering::Relaxed)",
        )],
    ),
    (
        "settled_not_acquired",
        &[(
            "self.delivered[bit].load(Ordering::Acquire)",
            "self.delivered[bit].load(Ordering::Relaxed)",
        )],
    ),
    (
        "open_not_acquired",
        &[(
            "            let seen = word.load(Ordering::Acquire);
            open.unsettled -= seen / ONE;
",
            "            let seen = word.load(Ordering::Relaxed);
            open.unsettled -= seen / ONE;
",
        )],
    ),
    (
        "rejected_not_released",
        &[(
            "        self.rejected.fetch_add(1, Ordering::Release);
        self.settle_aside(parcel.ticket);
",
            "        self.rejected.fetch_add(1, Ordering::Relaxed);
        self.settle_aside(parcel.ticket);
",
        )],
    ),
    (
        "rejected_not_acquired",
        &[(
            "self.rejected.load(Ordering::Acquire)",
            "self.rejected.load(Ordering::Relaxed)",
        )],
    ),
];
