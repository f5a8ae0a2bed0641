//! A crate that declares no receiver.

/// Sends an order from the web.
pub fn order() -> String {
    let street = String::from("Rye Lane");
    let ordered = api::Ordered { street: &street };
    api::ORDERED.from("web").send(&ordered).join(" ")
}
