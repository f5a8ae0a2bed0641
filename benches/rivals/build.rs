//! Passes the versions of the compiler and the libraries on to the results.

use std::env;
use std::process::Command;

fn main() {
    let rustc = env::var_os("RUSTC").expect("cargo names its compiler");
    let output = Command::new(rustc).arg("--version").output();
    let version = output.expect("the compiler prints its version").stdout;
    println!(
        "cargo::rustc-env=RUSTC_VERSION={}",
        String::from_utf8_lossy(&version).trim()
    );
    println!("cargo::rerun-if-changed=build.rs");
}
