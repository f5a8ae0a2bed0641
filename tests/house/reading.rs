//! The files of the checkout, and the conditions under which their items are built.

use crate::names::House;
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the core, and then each crate of `integrations/`.
pub(crate) fn houses() -> Vec<(String, House)> {
    let mut folders = vec!["src".to_owned()];
    let around = std::fs::read_dir(checkout().join("integrations"))
        .into_iter()
        .flatten();
    let mut names: Vec<_> = around
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    folders.extend(
        names
            .into_iter()
            .map(|name| format!("integrations/{name}/src")),
    );
    let read = |folder: String| {
        let sources = sources(&checkout().join(&folder));
        assert!(
            sources.len() > 1,
            "{folder} has no sources: correct the path"
        );
        (folder, House::new(&sources))
    };
    folders.into_iter().map(read).collect()
}

/// Returns each Rust file below `folder`, by its path from there.
pub(crate) fn sources(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let inner = sources(&path).into_iter();
            found.extend(inner.map(|(inside, text)| (format!("{name}/{inside}"), text)));
        } else if name.ends_with(".rs") {
            found.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
    found
}

pub(crate) fn is_test(path: &str) -> bool {
    path.split('/')
        .any(|part| part == "tests" || part == "tests.rs")
}

/// Returns `false` if `attributes` leave an item out of every build but those of tests and
/// documents.
pub(crate) fn is_built(attributes: &[syn::Attribute]) -> bool {
    let is_cfg = |attribute: &&syn::Attribute| attribute.path().is_ident("cfg");
    attributes.iter().filter(is_cfg).all(|attribute| {
        let condition = attribute.parse_args::<syn::Meta>().unwrap();
        evaluate(&condition) != Some(false)
    })
}

/// Returns `None` if the condition depends on the build.
fn evaluate(condition: &syn::Meta) -> Option<bool> {
    use syn::punctuated::Punctuated;
    let name = condition.path().get_ident()?.to_string();
    let syn::Meta::List(list) = condition else {
        return ["test", "doc", "doctest"]
            .contains(&name.as_str())
            .then_some(false);
    };
    let parse = Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated;
    let inner = list.parse_args_with(parse).unwrap();
    let inner: Vec<_> = inner.iter().map(evaluate).collect();
    match name.as_str() {
        "not" => inner[0].map(|holds| !holds),
        "all" if inner.contains(&Some(false)) => Some(false),
        "any" if inner.iter().all(|holds| *holds == Some(false)) => Some(false),
        _ => None,
    }
}
