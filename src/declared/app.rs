//! The crates that `apps!` names, and their check.

use std::collections::HashSet;

/// A crate that `apps!` names.
pub struct App {
    name: &'static str,
    file: &'static str,
    line: u32,
}

impl App {
    /// Makes the entry of a crate. The macro's expansion calls it.
    pub const fn new(name: &'static str, file: &'static str, line: u32) -> Self {
        App { name, file, line }
    }
}

inventory::collect!(App);

/// Returns a message about the crates that declare no receiver, if there is one among `apps`.
/// `declaring` has the names of the crates that declare receivers.
pub(super) fn without_receivers<'a>(
    apps: impl Iterator<Item = &'a App>,
    declaring: &HashSet<&str>,
) -> Option<String> {
    let mut missing: Vec<_> = apps.filter(|app| !declaring.contains(app.name)).collect();
    missing.sort_by_key(|app| (app.file, app.line, app.name));
    missing.first()?;
    let places: Vec<_> = missing
        .iter()
        .map(|App { name, file, line }| format!("`{name}` ({file}:{line})"))
        .collect();
    let places = places.join(", ");
    Some(format!(
        "`apps!` names crates that declare no receiver, {places}: mark a function of each with \
         `#[receiver]`, or remove the crate from `apps!`; write a dependency that is renamed as \
         `name_of_the_crate as new_name`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_exactly_the_crates_without_a_receiver() {
        let apps = [
            App::new("silent", "src/main.rs", 4),
            App::new("billing", "src/main.rs", 4),
            App::new("absent", "src/main.rs", 3),
        ];
        let mut declaring = HashSet::from(["billing", "silent_too"]);
        let message = without_receivers(apps.iter(), &declaring).unwrap();
        let start = "`apps!` names crates that declare no receiver, `absent` (src/main.rs:3), \
                     `silent` (src/main.rs:4): ";
        assert!(message.starts_with(start), "{message}");
        declaring.extend(["absent", "silent"]);
        assert_eq!(without_receivers(apps.iter(), &declaring), None);
    }
}
