//! Passes on what it is built with, for the results to name.

use std::env;
use std::process::Command;

fn main() {
    let rustc = env::var_os("RUSTC").expect("cargo names its compiler");
    let output = Command::new(rustc).arg("--version").output();
    let version = output.expect("the compiler tells its version").stdout;
    println!(
        "cargo::rustc-env=RUSTC_VERSION={}",
        String::from_utf8_lossy(&version).trim()
    );
    println!("cargo::rerun-if-changed=build.rs");
}
