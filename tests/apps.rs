//! Programs whose receivers are in crates that no code names, some of which have fanfare under
//! another name. In a program of its own, because it runs cargo.
#![cfg(feature = "macros")]

use std::path::Path;
use std::process::{Command, Output};

/// Runs a program of `tests/app/`.
fn run(program: &str) -> Output {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("app");
    Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--locked", "--bin", program])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/app"))
        .env("CARGO_TARGET_DIR", scratch)
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .expect("cargo runs")
}

fn printed(program: &str) -> String {
    let output = run(program);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_program_that_names_no_crate_has_no_receivers_and_the_report_displays_the_fix() {
    let expected = "\
no receivers were found: name the crates that declare them with `fanfare::apps!`, or `use the_crate as _;`
ordered: \n";
    assert_eq!(printed("unnamed"), expected);
}

#[test]
fn apps_brings_the_receivers_of_each_crate_also_of_a_renamed_one() {
    let expected = "\
ORDERED <- acme_billing::bill (billing/src/lib.rs:7)
ORDERED <- shop_receivers::pack (shop_receivers/src/lib.rs:14), from \"web\"
PACKED <- shop_receivers::weigh (shop_receivers/src/lib.rs:21)
$crate::ORDERED <- shop_receivers::thank (shop_receivers/src/lib.rs:26)
weighed: 8
ordered: pack thank bill
";
    assert_eq!(printed("named"), expected);
}

#[test]
fn a_use_as_underscore_brings_the_receivers_of_one_crate() {
    let printed = printed("used");
    assert!(printed.ends_with("\nordered: pack thank\n"), "{printed}");
}

#[test]
fn crates_without_receivers_and_renamed_crates_by_their_new_name_are_refused() {
    let output = run("misnamed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.stdout, [], "it is refused before the first send");
    let expected = "`apps!` names crates that declare no receiver, \
                    `silent` (src/bin/misnamed.rs:3), `billing` (src/bin/misnamed.rs:4): ";
    assert!(errors.contains(expected), "{errors}");
}
