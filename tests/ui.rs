//! The compiler's messages about misuse, each case beside a twin that compiles.
//!
//! The stored output is that of the stable compiler that CI runs on; others word their own errors
//! differently. `TRYBUILD=overwrite cargo test --test ui` stores it anew.
//!
//! The twins are modules of this program. With cases that must compile, trybuild would build and
//! link each case with a cargo of its own; without them it checks all cases at once.

#![cfg(feature = "macros")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn ui_cases_compile_or_fail_as_expected() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
    if cfg!(feature = "queue") {
        cases.compile_fail("tests/ui/queue/fail/*.rs");
    }
    // The feature brings `async` with it.
    if cfg!(feature = "tokio") {
        cases.compile_fail("tests/ui/async/fail/*.rs");
    }
}

/// Compiles each file of a folder, and runs its `main`.
macro_rules! twins {
    ($module:ident in $folder:literal: $($case:ident)+) => {
        #[allow(
            dead_code,
            private_interfaces,
            unreachable_pub,
            reason = "each case is written as a program, and most only have to compile"
        )]
        mod $module {
            /// The files that are compiled here.
            pub(crate) const CASES: &[&str] = &[$(stringify!($case)),+];

            $(
                mod $case {
                    include!(concat!("ui/", $folder, "/", stringify!($case), ".rs"));

                    #[test]
                    fn compiles_and_runs() {
                        main();
                    }
                }
            )+
        }
    };
}

twins! {
    pass in "pass":
        apps associated_function connect_not_callable connect_other_arguments crate_not_a_path
        deferred_borrowed deferred_not_sync deferred_signal_gone disconnect_captures
        disconnect_no_receiver dispatch_uid duplicate_signal duplicate_uid_in_list duplicate_uid_stacked
        event_union function_extern function_faults_once function_generic
        function_unsafe name not_a_function not_a_sender once_with_value max_calls option_separator option_twice
        option_unknown option_without_value parameter_count parameter_self priority
        sender_name_empty sender_not_a_type sender_unknown_type signal_const signal_list_empty
        signal_missing signal_not_a_path signal_of_another_type signal_unknown tag wrong_event
        wrong_event_static wrong_return wrong_sender
}

#[cfg(feature = "queue")]
twins! {
    queue in "queue/pass":
        next_borrowed queued queued_and_others queued_borrowed
}

#[cfg(feature = "tokio")]
twins! {
    asynchronous in "async/pass":
        blocking connect_async_function connect_async_unboxed durable event_not_sync not_send wrong_event
        wrong_event_static wrong_return
}

/// A twin names this type by a path that begins with `crate`.
struct PizzaStore;

/// Checks that a folder has these files and no others.
fn are_all_of(folder: &str, cases: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/ui")
        .join(folder);
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let sources = files.filter(|file| file.extension().is_some_and(|it| it == "rs"));
    let found: BTreeSet<_> = sources
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let cases = cases.iter().map(|&case| case.to_owned()).collect();
    assert_eq!(found, cases);
}

#[test]
fn each_file_is_compiled() {
    are_all_of("pass", pass::CASES);
    #[cfg(feature = "queue")]
    are_all_of("queue/pass", queue::CASES);
    #[cfg(feature = "tokio")]
    are_all_of("async/pass", asynchronous::CASES);
}

#[test]
fn each_case_of_misuse_has_a_twin() {
    are_all_of("fail", pass::CASES);
    #[cfg(feature = "tokio")]
    are_all_of("async/fail", asynchronous::CASES);
}
