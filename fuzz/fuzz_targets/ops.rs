//! Any bytes as a program: a signal and a plain list must see the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

// The very model that `cargo test --test model` runs on programs of its own.
#[path = "../../tests/model/mod.rs"]
mod model;

fuzz_target!(|bytes: &[u8]| {
    let program = model::decode::decode(bytes);
    if std::env::var_os("FANFARE_SHOW").is_some() {
        eprintln!("{program:?}");
    }
    model::check(&program);
});
