//! The compiler's messages about misuse, each case beside a twin that compiles.
//!
//! The stored output is that of the stable compiler that CI runs on; others word their own errors
//! differently. `TRYBUILD=overwrite cargo test --test ui` stores it anew.
//!
//! The twins are modules of this program. With cases that must compile, trybuild would build and
//! link each case with a cargo of its own; without them it checks all cases at once.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn ui_cases_compile_or_fail_as_expected() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
    cases.compile_fail("tests/ui/async/fail/*.rs");
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
        model_and_sender model_changed_too_late model_of_another_signal model_parameter
        model_sender_name model_sender_row model_without_entity model_wrong_event model_wrong_return
}

twins! {
    asynchronous in "async/pass":
        model_changed_async model_not_send
}

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
    are_all_of("async/pass", asynchronous::CASES);
}

#[test]
fn each_case_of_misuse_has_a_twin() {
    are_all_of("fail", pass::CASES);
    are_all_of("async/fail", asynchronous::CASES);
}
