//! The reading of imports, on small crates.

use crate::graph::circles;
use crate::names::House;
use std::collections::BTreeSet;

/// Returns the arrows of a crate as `from -> to`, without lines.
fn arrows(files: &[(&str, &str)]) -> Vec<String> {
    let arrows = house(files).arrows();
    arrows
        .into_keys()
        .map(|(from, to)| format!("{from} -> {to}"))
        .collect()
}

fn house(files: &[(&str, &str)]) -> House {
    let owned = |&(path, text): &(&str, &str)| (path.to_owned(), text.to_owned());
    House::new(&files.iter().map(owned).collect())
}

#[test]
fn a_circle_through_three_files_is_found_with_its_lines() {
    let house = house(&[
        ("a.rs", "use crate::b::B;\npub struct A;"),
        ("b.rs", "\npub struct B(\n    crate::c::C,\n);"),
        ("c.rs", "pub struct C;\nfn make() { use super::a::A; }"),
        ("d.rs", "use crate::a::A;"),
    ]);
    let arrows = house.arrows();
    let circle = ["a.rs", "b.rs", "c.rs"].map(str::to_owned);
    assert_eq!(circles(&arrows), [BTreeSet::from(circle)]);
    let imports: Vec<_> = arrows.into_values().flatten().collect();
    let expected = [
        "a.rs:1: crate::b::B",
        "b.rs:3: crate::c::C",
        "c.rs:2: super::a::A",
        "d.rs:1: crate::a::A",
    ];
    assert_eq!(imports, expected);
}

#[test]
fn an_import_through_a_reexport_leads_to_the_file_of_the_item() {
    let folder = [
        (
            "a/mod.rs",
            "mod inner;\npub use inner::{Item as Renamed, *};\npub use std::sync::Arc;",
        ),
        ("a/inner.rs", "pub struct Item;\npub struct Other;"),
    ];
    for (import, file) in [
        ("use crate::a::Renamed;", "a/inner.rs"),
        ("use crate::a::{Other};", "a/inner.rs"),
        ("use crate::a::Arc;", "a/mod.rs"),
        ("use crate::a::{self};", "a/mod.rs"),
        ("use crate::a::*;", "a/mod.rs"),
        ("use super::a::made_by_a_macro;", "a/mod.rs"),
    ] {
        let files = [&folder[..], &[("user.rs", import)]].concat();
        assert_eq!(arrows(&files), [format!("user.rs -> {file}")], "{import}");
    }
}

#[test]
fn a_path_through_an_imported_module_leads_to_the_file_of_the_item() {
    let files = [
        ("a/mod.rs", "pub mod inner;"),
        ("a/inner.rs", "pub fn f() {}"),
        ("user.rs", "use crate::a;\nfn g() { a::inner::f() }"),
    ];
    assert_eq!(
        arrows(&files),
        ["user.rs -> a/inner.rs", "user.rs -> a/mod.rs"]
    );
}

#[test]
fn a_path_in_a_macro_is_an_import() {
    for user in [
        "macro_rules! m { () => { $crate::a::f() } }",
        "fn g() { assert!(x, \"{}\", crate::a::f()); }",
        "fn g() { vec![[super::a::f()]]; }",
    ] {
        let files = [("a.rs", "pub fn f() {}"), ("user.rs", user)];
        assert_eq!(arrows(&files), ["user.rs -> a.rs"], "{user}");
    }
}

#[test]
fn a_reexport_is_an_import_if_its_file_uses_it_or_it_is_not_of_a_child() {
    let child = ("a/child.rs", "pub struct Item;");
    let declared = ("a/mod.rs", "mod child;\npub use child::Item;");
    assert!(arrows(&[child, declared]).is_empty());

    let used = (
        "a/mod.rs",
        "mod child;\npub use child::Item;\nfn f(_: Item) {}",
    );
    assert_eq!(arrows(&[child, used]), ["a/mod.rs -> a/child.rs"]);

    let elsewhere = ("b.rs", "pub use crate::a::Item;");
    assert_eq!(
        arrows(&[child, declared, elsewhere]),
        ["b.rs -> a/child.rs"]
    );
}

#[test]
fn tests_documents_and_other_crates_are_no_imports() {
    let files = [
        ("a.rs", "pub struct A;"),
        ("lib.rs", "mod a;\npub use a::A;"),
        (
            "user.rs",
            "use std::sync::Arc;
            use other::a::A as _;
            #[cfg(doc)] use crate::a::A;
            #[cfg(all(test, unix))] mod tests { use crate::a::A; }
            #[cfg(any(test, doctest))] fn f(_: crate::a::A) {}
            #[doc = \"[`crate::a::A`]\"] pub(in super) fn g() {}",
        ),
        ("user/tests.rs", "use crate::a::A;"),
        ("tests/a.rs", "use crate::a::A;"),
    ];
    assert_eq!(arrows(&files), [""; 0]);
    for condition in [
        "not(test)",
        "unix",
        "any(test, unix)",
        "all(not(test), unix)",
    ] {
        let user = format!("#[cfg({condition})] use crate::a::A;");
        assert_eq!(
            arrows(&[files[0], ("user.rs", &user)]),
            ["user.rs -> a.rs"],
            "{condition}"
        );
    }
}
