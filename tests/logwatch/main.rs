//! The example `logwatch` as its user meets it: what it prints and how it exits.

#![cfg(all(feature = "macros", not(miri)))]

mod exits;
mod malformed;
mod program;
mod sample;
