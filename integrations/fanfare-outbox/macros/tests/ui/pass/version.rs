use fanfare_outbox_macros::DurableEvent;

#[derive(DurableEvent)]
#[durable(name = "shop.Paid", version = 1, crate = fanfare_outbox)]
struct Paid(u64);

fn main() {
    assert_eq!(<Paid as fanfare_outbox::DurableEvent>::VERSION, 1);
}
