#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

// Each module imports only modules that are named before it: `cells` (the counts of one thread),
// `observer` (which counts) and `report` (which reads).

mod cells;
mod observer;
mod report;

pub use observer::Metrics;
