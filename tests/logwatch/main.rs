//! The example `logwatch` as its user meets it: what it prints and how it exits.

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
