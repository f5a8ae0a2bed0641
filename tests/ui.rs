//! What the compiler says about misuse, each case beside a twin that compiles.
//!
//! The stored output is that of the stable compiler that CI runs on; others word their own errors
//! differently. `TRYBUILD=overwrite cargo test --test ui` stores it anew.

#![cfg(feature = "macros")]

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
    if cfg!(feature = "queue") {
        cases.pass("tests/ui/queue/pass/*.rs");
        cases.compile_fail("tests/ui/queue/fail/*.rs");
    }
    // The feature brings `async` with it.
    if cfg!(feature = "tokio") {
        cases.pass("tests/ui/async/pass/*.rs");
        cases.compile_fail("tests/ui/async/fail/*.rs");
    }
}
