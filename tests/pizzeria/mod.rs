//! The signals of the tests of `#[receiver]`, and their questions to the report.

use fanfare::connections::ConnectionInfo;
use fanfare::declared::ReportEntry;
use fanfare::{Event, Signal, connect_receivers};

#[derive(Event)]
pub(crate) struct PizzaDone<'a> {
    pub(crate) topping: &'a str,
}

pub(crate) type Pizzas<R = String> = Signal<PizzaDone<'static>, R>;

pub(crate) const PIZZA: PizzaDone<'static> = PizzaDone { topping: "olives" };

/// A sender.
pub(crate) struct PizzaStore;

pub(crate) mod kitchen {
    pub(crate) mod signals {
        use crate::pizzeria::Pizzas;

        pub(crate) static ORDERED: Pizzas<u32> = Pizzas::new();
        pub(crate) static DELIVERED: Pizzas<u32> = Pizzas::new();
    }
}

/// Returns the report's entries for one signal.
pub(crate) fn reported(signal: &str) -> Vec<ReportEntry> {
    let report = connect_receivers();
    report
        .entries()
        .iter()
        .filter(|entry| entry.signal == signal)
        .cloned()
        .collect()
}

/// Returns the report's entry for a signal that is named once.
pub(crate) fn reported_once(signal: &str) -> ReportEntry {
    let [entry] = <[_; 1]>::try_from(reported(signal))
        .unwrap_or_else(|entries| panic!("one entry for {signal}: {entries:?}"));
    entry
}

/// Returns the one connection of a signal.
pub(crate) fn connected_once<R: 'static>(signal: &Pizzas<R>) -> ConnectionInfo {
    connect_receivers();
    let [connection] = <[_; 1]>::try_from(signal.connections())
        .unwrap_or_else(|connections| panic!("one connection: {connections:?}"));
    connection
}
