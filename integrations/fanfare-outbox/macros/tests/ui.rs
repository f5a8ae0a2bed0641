//! The compiler's messages about misuse, each case beside a twin that compiles.
//!
//! The stored output is that of the stable compiler that CI runs on; others word their own errors
//! differently. `TRYBUILD=overwrite cargo test -p fanfare-outbox-macros --test ui` stores it anew.
//!
//! The cases need the macro alone, which refuses them before it names fanfare-outbox. The twins are
//! modules of this program, over a stand-in for that crate.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn ui_cases_fail_as_expected() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
}

/// The parts of fanfare-outbox that the expansion names.
mod fanfare_outbox {
    pub(crate) trait DurableEvent {
        const NAME: &'static str;
        const VERSION: u32;
        const SCHEMA: Option<&'static str>;

        fn key(&self) -> Option<String> {
            None
        }

        fn upcast(version: u32, payload: serde_json::Value) -> Option<serde_json::Value> {
            let _ = (version, payload);
            None
        }
    }

    pub(crate) mod __private {
        pub(crate) use serde_json::Value;

        /// Checks the parts that every event has. The file is a matter of the crate.
        pub(crate) fn assert_recorded<E: super::DurableEvent>(folder: &str) {
            assert!(!folder.is_empty());
            assert!(!E::NAME.is_empty() && E::VERSION > 0 && E::SCHEMA.is_some());
        }
    }
}

/// Compiles each file of a folder, and runs its `main`.
macro_rules! twins {
    ($($case:ident)+) => {
        /// The files that are compiled here.
        const TWINS: &[&str] = &[$(stringify!($case)),+];

        #[allow(dead_code, reason = "each case is written as a program")]
        mod pass {
            $(
                mod $case {
                    use crate::fanfare_outbox;

                    include!(concat!("ui/pass/", stringify!($case), ".rs"));

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
    generic key lifetime name option union upcast version
}

/// Returns the names of the sources in a folder.
fn sources(folder: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let sources = files.filter(|file| file.extension().is_some_and(|it| it == "rs"));
    let names = sources.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned());
    names.collect()
}

#[test]
fn each_case_of_misuse_has_a_twin() {
    let twins: BTreeSet<_> = TWINS.iter().map(|&twin| twin.to_owned()).collect();
    assert_eq!(sources("tests/ui/pass"), twins);
    assert_eq!(sources("tests/ui/fail"), twins);
}
