use std::sync::LazyLock;

use fanfare::{Queue, Sender, Signal, receiver};

static PIZZA_DONE: Signal<u32> = Signal::new();
static MAILS: LazyLock<Queue> = LazyLock::new(|| Queue::bounded(8).unwrap());

#[receiver(PIZZA_DONE, queued = MAILS, blocking)]
fn blocks(_sender: Sender<'_>, _size_cm: &u32) {}

#[receiver(PIZZA_DONE, queued = MAILS, model = pizza)]
fn takes_instance(_pizza: &u32, _size_cm: &u32) {}

#[receiver(PIZZA_DONE, queued = "mails")]
fn names_a_queue(_sender: Sender<'_>, _size_cm: &u32) {}

#[receiver(PIZZA_DONE, weak)]
fn weakly(_sender: Sender<'_>, _size_cm: &u32) {}

fn main() {}
