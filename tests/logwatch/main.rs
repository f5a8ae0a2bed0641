//! The example `logwatch` as its user meets it: its output and its exit.

#![cfg(all(feature = "macros", not(miri)))]

#[path = "../example/mod.rs"]
mod example;
mod exits;
mod malformed;
mod program;
mod sample;

use example::Example;

const EXAMPLE: Example = Example {
    name: "logwatch",
    features: &[],
    sources: &["logwatch"],
};
