use fanfare_outbox_macros::DurableEvent;

#[derive(DurableEvent)]
#[durable(name = "shop.Paid", key = order, crate = fanfare_outbox,)]
struct Paid {
    order: i64,
}

fn main() {
    assert_eq!(<Paid as fanfare_outbox::DurableEvent>::NAME, "shop.Paid");
}
