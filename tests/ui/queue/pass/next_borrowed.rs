use fanfare::{Event, Signal};

#[derive(Event)]
struct Paid<'a> {
    by: &'a str,
}

static PAID: Signal<Paid<'static>> = Signal::new();

fn main() {
    let next = PAID.options().next_with(|_sender, paid| Some(paid.by.to_owned()));
    PAID.send(&Paid { by: "Ada" });
    assert_eq!(pollster::block_on(next).unwrap(), "Ada");
}
