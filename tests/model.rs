//! Random programs on a signal and on a plain list that follows Django's rules: both must
//! see the same.
//!
//! More programs: `PROPTEST_CASES=20000 cargo test --test model`. Longer searches are
//! in `fuzz/`.

#[path = "model/leaks.rs"]
mod leaks;
#[path = "model/mod.rs"]
mod model;

use model::{
    FILLS, FUNCTIONS, From, Last, Op, Order, Program, Sending, Spec, Spread, Stop, Verb, What,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

fn from() -> impl Strategy<Value = From> {
    prop_oneof![
        3 => Just(From::Nobody),
        1 => (0..3_u8).prop_map(From::Type),
        2 => (0..4_u8).prop_map(From::Name),
        2 => (0..4_u16).prop_map(From::Key),
        2 => (0..2_u8).prop_map(From::Identity),
    ]
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        3 => (0..FUNCTIONS).prop_map(What::Function),
        1 => (0..FUNCTIONS).prop_map(What::Pointer),
        3 => Just(What::Closure),
        2 => (0..3_u8, 0..2_u8).prop_map(|(target, method)| What::Weak { target, method }),
        1 => (0..3_u8).prop_map(|target| What::WeakClosure { target }),
    ]
}

fn last() -> impl Strategy<Value = Last> {
    prop_oneof![4 => Just(Last::Quiet), 1 => Just(Last::Reenter), 1 => Just(Last::Panic)]
}

fn spec() -> impl Strategy<Value = Spec> {
    let sender = proptest::option::of(from());
    let uid = proptest::option::weighted(0.3, 0..3_u8);
    let priority =
        prop_oneof![3 => Just(0), 1 => -2..3_i32, 1 => Just(i32::MIN), 1 => Just(i32::MAX)];
    let once = proptest::bool::weighted(0.25);
    let named = proptest::bool::weighted(0.2);
    (what(), sender, uid, priority, once, named, 0..7_u8, last()).prop_map(
        |(what, sender, uid, priority, once, named, script, last)| Spec {
            what,
            sender,
            uid,
            priority,
            once,
            named,
            script,
            last,
        },
    )
}

fn stop() -> impl Strategy<Value = Stop> {
    prop_oneof![
        2 => Just(Stop::Never),
        2 => (1..6_u8).prop_map(Stop::At),
        1 => (1..6_u8).prop_map(Stop::Panic),
    ]
}

fn sending() -> impl Strategy<Value = Op> {
    let verb = prop_oneof![
        3 => Just(Verb::Send),
        2 => Just(Verb::Robust),
        1 => stop().prop_map(Verb::Until),
        1 => stop().prop_map(Verb::Each),
        1 => Just(Verb::Try),
    ];
    (verb, from(), any::<bool>(), any::<bool>()).prop_map(|(verb, from, emitter, caught)| {
        Op::Send(Sending {
            verb,
            from,
            emitter,
            caught,
        })
    })
}

fn fill(sizes: std::ops::Range<usize>) -> impl Strategy<Value = Op> {
    let spread = prop_oneof![
        Just(Spread::AnySender),
        Just(Spread::OneSender),
        Just(Spread::TenSenders),
        Just(Spread::SenderEach),
        Just(Spread::Mixed),
    ];
    let order = prop_oneof![
        Just(Order::Level),
        Just(Order::Rising),
        Just(Order::Falling),
        Just(Order::Jumbled)
    ];
    let size = sizes.prop_map(|size| u8::try_from(size).expect("there are few sizes"));
    (size, spread, order, any::<bool>()).prop_map(|(size, spread, order, at_once)| Op::Fill {
        size,
        spread,
        order,
        at_once,
    })
}

fn disconnecting() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => any::<u16>().prop_map(Op::Disconnect),
        2 => any::<u16>().prop_map(Op::DisconnectAndWait),
        2 => any::<u16>().prop_map(Op::Scope),
        2 => any::<u8>().prop_map(Op::DropGuard),
        1 => any::<u8>().prop_map(Op::KeepGuard),
        1 => any::<u16>().prop_map(Op::DropHandle),
        2 => (0..FUNCTIONS).prop_map(Op::DisconnectFunction),
        2 => (from(), 0..FUNCTIONS).prop_map(|(from, function)| Op::DisconnectFunctionFrom(from, function)),
        1 => (0..FUNCTIONS).prop_map(Op::DisconnectFunctionEverywhere),
        2 => (0..3_u8, 0..2_u8).prop_map(|(target, method)| Op::DisconnectWeak { target, method }),
        1 => (from(), 0..3_u8, 0..2_u8)
            .prop_map(|(from, target, method)| Op::DisconnectWeakFrom(from, target, method)),
        2 => (0..3_u8).prop_map(Op::DisconnectUid),
        2 => (from(), 0..3_u8).prop_map(|(from, uid)| Op::DisconnectUidFrom(from, uid)),
        1 => (0..3_u8).prop_map(Op::DisconnectUidEverywhere),
        1 => from().prop_map(Op::DisconnectSender),
        1 => Just(Op::DisconnectAll),
        1 => Just(Op::Purge),
        4 => Just(Op::DisconnectSelf),
    ]
}

fn pools() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0..3_u8).prop_map(Op::RenewTarget),
        2 => (0..3_u8).prop_map(Op::DropTarget),
        2 => (0..2_u8).prop_map(Op::RenewIdentity),
        2 => (0..2_u8).prop_map(Op::DropIdentity),
    ]
}

fn looking() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => from().prop_map(Op::HasListeners),
        2 => any::<u16>().prop_map(Op::IsConnected),
        1 => Just(Op::Look),
        2 => Just(Op::Unmatched),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => spec().prop_map(Op::Connect),
        2 => vec(spec(), 0..6).prop_map(Op::ConnectMany),
        3 => spec().prop_map(Op::Prepare),
        2 => Just(Op::ConnectShelf),
        1 => Just(Op::ClearShelf),
        9 => disconnecting(),
        6 => pools(),
        10 => sending(),
        1 => Just(Op::ReleaseEmitter),
        1 => Just(Op::DropEmitter),
        4 => looking(),
        2 => (0..3_u8).prop_map(Op::Panic),
        1 => Just(Op::Refuse),
    ]
}

/// Compares signal and model, and checks that the signal leaves no memory allocated.
fn check(program: &Program) {
    // A thread allocates these once, for all signals.
    thread_local! {
        static WARM: () = model::check(&Program {
            response: 0,
            scripts: Vec::new(),
            ops: vec![Op::RenewIdentity(0), Op::Connect(Spec::closure(0)), plain_send()],
        });
    }
    WARM.with(|()| ());
    let before = leaks::held();
    model::check(program);
    assert_eq!(leaks::held() - before, 0, "bytes were leaked");
}

/// Returns programs with few receivers, in which anything can happen.
fn lively() -> impl Strategy<Value = Program> {
    let scripts = vec(vec(op(), 0..4), 6);
    (0..3_u8, scripts, vec(op(), 1..50)).prop_map(|(response, scripts, ops)| Program {
        response,
        scripts,
        ops,
    })
}

/// Tables filled to the sizes at which their shape changes, then emptied.
fn crowded(sizes: std::ops::Range<usize>) -> impl Strategy<Value = Program> {
    let thin = prop_oneof![Just(1), Just(7), Just(60), 0..300_u16];
    let thin = (thin, any::<u16>()).prop_map(|(count, seed)| Op::Thin { count, seed });
    let step = prop_oneof![
        2 => thin,
        1 => fill(0..sizes.end.min(8)),
        2 => sending(),
        2 => op(),
    ];
    let scripts = vec(vec(op(), 0..2), 2);
    (
        0..3_u8,
        scripts,
        fill(sizes),
        vec(step, 1..16),
        any::<u16>(),
    )
        .prop_map(|(response, scripts, full, steps, seed)| {
            let empty = [
                Op::Thin {
                    count: u16::MAX,
                    seed,
                },
                Op::Look,
                Op::Purge,
            ];
            let ops = [full].into_iter().chain(steps).chain(empty).collect();
            Program {
                response,
                scripts,
                ops,
            }
        })
}

/// Returns the input with which the fuzzer starts.
fn any_bytes() -> impl Strategy<Value = Program> {
    vec(any::<u8>(), 0..400).prop_map(|bytes| model::decode::decode(&bytes))
}

/// Returns the usual number of cases divided by `by`.
fn config(by: u32) -> Config {
    let usual = Config::default();
    Config {
        cases: (usual.cases / by).max(1),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..usual
    }
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn programs_see_the_same_as_the_model(program in lively()) {
        check(&program);
    }

    #[test]
    fn bytes_as_programs(program in any_bytes()) {
        check(&program);
    }
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn full_tables_follow_the_model(program in crowded(0..8)) {
        check(&program);
    }
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn very_full_tables_follow_the_model(program in crowded(8..FILLS.len())) {
        check(&program);
    }
}

fn plain_send() -> Op {
    Op::Send(Sending {
        verb: Verb::Send,
        from: From::Nobody,
        emitter: false,
        caught: false,
    })
}

fn check_ops(ops: Vec<Op>) {
    check(&Program {
        response: 0,
        scripts: Vec::new(),
        ops,
    });
}

/// A send takes out all once-only receivers that it spends, however many there are.
#[test]
fn twenty_spent_receivers_leave_at_once() {
    let once = Spec {
        once: true,
        ..Spec::closure(0)
    };
    check_ops(vec![Op::ConnectMany(vec![once; 20]), plain_send()]);
}

/// Nothing stays connected for an identity that died before its receiver was connected.
#[test]
fn a_prepared_receiver_does_not_outlive_its_identity() {
    let own = Spec {
        sender: Some(From::Identity(0)),
        ..Spec::closure(0)
    };
    check_ops(vec![
        Op::RenewIdentity(0),
        Op::Prepare(own),
        Op::DropIdentity(0),
        Op::ConnectShelf,
    ]);
}

/// A weak target that dies in a send, and panics in its destructor, does not affect the send.
#[test]
fn a_pinned_target_dies_quietly() {
    let weak = Spec {
        what: What::Weak {
            target: 0,
            method: 1,
        },
        ..Spec::closure(0)
    };
    // The first target of a program is one that panics; method 1 runs script 1.
    check(&Program {
        response: 0,
        scripts: vec![vec![Op::DropTarget(0)]],
        ops: vec![Op::RenewTarget(0), Op::Connect(weak), plain_send()],
    });
}
