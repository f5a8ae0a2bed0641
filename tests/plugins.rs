//! Programs with more than one copy of fanfare or of its receivers: one loads a dynamic library
//! that declares receivers, and connects them; one depends on two versions. In a program of its
//! own, because it runs cargo.
#![cfg(all(feature = "macros", target_os = "linux"))]

use std::fs;
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

#[test]
fn two_versions_of_fanfare_in_one_program_are_refused() {
    assert_two_versions_are_refused("fanfare", include_str!("../Cargo.toml"));
}

#[test]
fn two_versions_of_fanfare_django_in_one_program_are_refused() {
    let manifest = include_str!("../integrations/fanfare-django/Cargo.toml");
    assert_two_versions_are_refused("fanfare-django", manifest);
}

/// Asserts that cargo refuses two versions of a package with this name and `links`, without
/// anything that a registry would have to have.
fn assert_two_versions_are_refused(name: &str, manifest: &str) {
    let links = manifest.lines().find(|line| line.starts_with("links = "));
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("two-versions-of-{name}"));
    let package = |folder: &str, manifest: String| {
        let folder = scratch.join(folder);
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::write(folder.join("src/lib.rs"), "").unwrap();
        fs::write(folder.join("build.rs"), "fn main() {}").unwrap();
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    };
    let resolve = |links: Option<&str>| {
        for version in ["0.1.0", "0.2.0"] {
            let links = links.unwrap_or_default();
            let package_of = format!("[workspace]\n[package]\nname = \"{name}\"");
            package(
                version,
                format!("{package_of}\nversion = \"{version}\"\n{links}\n"),
            );
        }
        let depends = |alias, version| {
            format!("{alias} = {{ package = \"{name}\", path = \"../{version}\" }}\n")
        };
        let both = depends("one", "0.1.0") + &depends("two", "0.2.0");
        let program = "[workspace]\n[package]\nname = \"program\"\n[dependencies]\n";
        package("program", format!("{program}{both}"));
        Command::new(env!("CARGO"))
            .args(["metadata", "--offline", "--format-version", "1"])
            .current_dir(scratch.join("program"))
            .output()
            .expect("cargo runs")
    };
    assert!(
        resolve(None).status.success(),
        "without `links` they are built"
    );
    let _ = fs::remove_file(scratch.join("program/Cargo.lock"));
    let refused = resolve(links);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert!(
        told.contains(&format!("links to the native library `{name}`")),
        "{told}"
    );
}
