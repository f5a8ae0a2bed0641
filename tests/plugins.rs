//! A program loads a dynamic library that declares receivers, and connects them. In a program of its
//! own, because it builds another one, in `tests/plugin/`.
#![cfg(all(feature = "macros", target_os = "linux"))]

use std::path::Path;
use std::process::Command;

/// Runs cargo in `tests/plugin/`, and returns its output. fanfare is in one dynamic library, which
/// the program and the plugin share.
fn cargo(arguments: &[&str]) -> String {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin");
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plugin"))
        .env("CARGO_TARGET_DIR", scratch)
        .env("RUSTFLAGS", "-C prefer-dynamic")
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .expect("cargo runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn connect_receivers_connects_exactly_those_of_a_plugin_that_was_loaded_since() {
    cargo(&["build", "--quiet", "--locked", "--example", "plugin"]);
    let plugin = concat!(
        env!("CARGO_TARGET_TMPDIR"),
        "/plugin/debug/examples/libplugin.so"
    );
    let printed = cargo(&["run", "--quiet", "--locked", "--bin", "host", "--", plugin]);
    let expected = "\
started: host disconnected
loaded: host
connected: host plugin second
again: host plugin second
ASKED <- host::host
ASKED <- host::disconnected
ASKED <- plugin::a_plugin
ASKED <- plugin::z_plugin
";
    assert_eq!(printed, expected);
}
