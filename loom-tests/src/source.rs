//! `world/signal.rs`, `world/table.rs` and `queue/` follow files that the models cannot compile.
//! When one of these steps changes there, change the model, and then the step here.

const SIGNAL: &str = include_str!("../../src/signal.rs");
const VERBS: &str = include_str!("../../src/send/verbs.rs");
const COUNTED: &str = include_str!("../../src/send/counted.rs");
const WALK: &str = include_str!("../../src/send/walk.rs");
const EMITTER: &str = include_str!("../../src/send/emitter.rs");
const OPENING: &str = include_str!("../../src/turn/opening.rs");
const LIVE: &str = include_str!("../../src/turn/live.rs");
const DISCARDS: &str = include_str!("../../src/turn/discards.rs");
const LIMIT: &str = include_str!("../../src/receiver/limit.rs");
const CALLEE: &str = include_str!("../../src/receiver/callee.rs");
const SLOT: &str = include_str!("../../src/receiver/slot.rs");
const PIN: &str = include_str!("../../src/receiver/pin.rs");
const HANDLE: &str = include_str!("../../src/connection/handle.rs");
const SYNC: &str = include_str!("../../src/table/sync.rs");
const QUEUE: &str = include_str!("../../src/queue/mod.rs");
const QUEUE_POOL: &str = include_str!("../../src/queue/pool.rs");
const QUEUE_SYNC: &str = include_str!("../../src/queue/sync.rs");
const QUEUE_WORKER: &str = include_str!("../../src/queue/worker.rs");

/// Files with steps that they have in this order.
const FOLLOWED: &[(&str, &str, &[&str])] = &[
    (
        "signal.rs",
        SIGNAL,
        &["Some(hub) => hub.opening(), None => Opening::Nobody,"],
    ),
    (
        "send/verbs.rs",
        VERBS,
        &[
            "match self.opening() { Opening::Live(hub) => counted::collect(hub, || hub.snapshot(), sender, event), Opening::Nobody => Responses::new(),",
        ],
    ),
    (
        "send/counted.rs",
        COUNTED,
        &[
            "match Outermost::send(hub) { Some(running) => count_outermost(",
            "count_in(hub, take(), hash, sender, event)",
            "let mut discards = Discards::of(hub); let snapshot = snapshot;",
        ],
    ),
    (
        "turn/opening.rs",
        OPENING,
        &[
            "let _running = Running::send(hub); let mut discards = Discards::of(hub); let snapshot = take();",
        ],
    ),
    (
        "send/walk.rs",
        WALK,
        &["let pins = Pins::of(selection, discards);"],
    ),
    (
        "turn/live.rs",
        LIVE,
        &[
            "let pin = if about.options.weak { pinned.next() } else { None };",
            "if about.options.weak && pin.is_none_or(Option::is_none) { return ControlFlow::Continue(()); }",
            "if !watching.keeps(entry) { return",
            "if let Some(limit) = about.options.limit() { if !claim_of(limit, entry, discards) { return",
            "each(entry,",
            "if claim.is_last { discards.note_spent(entry); } true",
            "None => { discards.note(entry); false }",
            "let weak = selection.iter().filter(|entry| entry.about().options.weak);",
            "let pin = entry.pin(); if pin.is_none() { discards.note(entry); } pin",
        ],
    ),
    (
        "receiver/limit.rs",
        LIMIT,
        &[
            "if self.max_calls() == 1 { return link.claim().then_some(Claim { is_last: true }); }",
            "if is_last { link.mark_spent(); } (earlier < max).then_some(Claim { is_last })",
        ],
    ),
    (
        "turn/discards.rs",
        DISCARDS,
        &["if !self.ended.is_empty() { self.hub.discard(&self.ended, self.has_spent); }"],
    ),
    (
        "send/emitter.rs",
        EMITTER,
        &[
            "held: AnyThread::new(hub.emitter()),",
            "self.held.start(*self.hub)",
        ],
    ),
    (
        "receiver/pin.rs",
        PIN,
        &["mem::forget(target.upgrade()?); Some(Pinned(target))"],
    ),
    (
        "receiver/callee.rs",
        CALLEE,
        &["Pinned::of(&self.target)", "self.target.strong_count() > 0"],
    ),
    (
        "receiver/slot.rs",
        SLOT,
        &[
            "ManuallyDrop::drop(callee)",
            "self.about.link.announce_gone(); } }",
        ],
    ),
    (
        "connection/handle.rs",
        HANDLE,
        &[
            "let Some(slot) = self.slot.upgrade() else {",
            "fence(Ordering::Acquire); return Ok(()); };",
            "if let Err(at) = slot.clone().detach() { return Err(WaitError::Frozen { at }); }",
            "let quiet = slot.watch(); let retires = slot.retires(); drop(slot);",
            "if quiet.wait(timeout, free) {",
        ],
    ),
    (
        "table/sync.rs",
        SYNC,
        &[
            "struct Cell<T>(ArcSwapOption<T>);",
            "self.0.load()",
            "self.0.load_full()",
            "self.0.swap(next)",
        ],
    ),
    (
        "queue/mod.rs",
        QUEUE,
        &[
            "pool.close();",
            "if pool.lines.iter().all(|line| line.wait_settled(deadline)) { return Ok(report); }",
            "for line in &pool.lines { let left_over = line.give_up();",
        ],
    ),
    (
        "queue/pool.rs",
        QUEUE_POOL,
        &["self.lines.iter().for_each(Line::close);"],
    ),
    (
        "queue/sync.rs",
        QUEUE_SYNC,
        &[
            "self.sender.try_send(item)",
            "recv(self.closed) -> _ => Err(item), send(self.sender, item) ->",
            "let open = lock(&self.open).take(); drop(open);",
            "self.receiver.try_recv().ok()",
            "recv(self.receiver) -> item => item.ok(), recv(woken) -> _ => None,",
            "let _ = self.wakes[waiter as usize].0.try_send(());",
        ],
    ),
    (
        "queue/worker.rs",
        QUEUE_WORKER,
        &[
            "while let Some((started, job)) = line.next() {",
            "job.receiver.deliver(&*job.sent)",
            "discard(job);",
            "line.finish(started);",
        ],
    ),
];

#[test]
fn models_follow_the_source() {
    for (file, text, steps) in FOLLOWED {
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let words: Vec<&str> = code.flat_map(str::split_whitespace).collect();
        let code = words.join(" ");
        let mut rest = code.as_str();
        for step in *steps {
            rest = match rest.split_once(step) {
                Some((_, after)) => after,
                None => panic!("src/{file} has `{step}` no longer, or elsewhere: adapt its model"),
            };
        }
    }
}
