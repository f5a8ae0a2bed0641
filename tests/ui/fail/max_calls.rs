//! The limit of a receiver is a number of calls, and one is written as `once` or as `max_calls`.

use fanfare::{Sender, Signal, receiver};

static PIZZA_DONE: Signal<u32> = Signal::new();

#[receiver(PIZZA_DONE, max_calls = 0)]
fn never(_sender: Sender<'_>, _size_cm: &u32) {}

#[receiver(PIZZA_DONE, max_calls = "three")]
fn text(_sender: Sender<'_>, _size_cm: &u32) {}

#[receiver(PIZZA_DONE, max_calls)]
fn without_value(_sender: Sender<'_>, _size_cm: &u32) {}

#[receiver(PIZZA_DONE, once, max_calls = 3)]
fn both(_sender: Sender<'_>, _size_cm: &u32) {}

fn main() {}
