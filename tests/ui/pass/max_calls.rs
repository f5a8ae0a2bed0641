use fanfare::{Sender, Signal, receiver};

static PIZZA_DONE: Signal<u32> = Signal::new();

#[receiver(PIZZA_DONE, max_calls = 3)]
fn three(_sender: Sender<'_>, _size_cm: &u32) {}

#[receiver(PIZZA_DONE, max_calls = 1)]
fn one(_sender: Sender<'_>, _size_cm: &u32) {}

#[receiver(PIZZA_DONE, once)]
fn once(_sender: Sender<'_>, _size_cm: &u32) {}

fn main() {}
