use fanfare::{Event, Sender, Signal, receiver};

static ORDERED: Signal<u32> = Signal::new();

#[receiver(ORDERED, crate = 5)]
fn number(_sender: Sender<'_>, _order: &u32) {}

#[receiver(ORDERED, crate = "my api")]
fn words(_sender: Sender<'_>, _order: &u32) {}

#[receiver(ORDERED, crate)]
fn alone(_sender: Sender<'_>, _order: &u32) {}

#[receiver(ORDERED, crate = no_such_api::fanfare)]
fn unknown(_sender: Sender<'_>, _order: &u32) {}

#[derive(Event)]
#[event(crate = 5)]
struct Number;

#[derive(Event)]
#[event(crate = no_such_api::fanfare)]
struct Unknown;

#[derive(Event)]
#[event]
struct NoOption;

#[derive(Event)]
#[event(name = "shipped")]
struct OtherOption;

#[derive(Event)]
#[event(crate = fanfare, crate = fanfare)]
struct Twice;

#[derive(Event)]
enum Inside {
    #[event(crate = fanfare)]
    _Shipped,
}

fn main() {}
