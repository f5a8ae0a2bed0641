use fanfare_outbox_macros::DurableEvent;

#[derive(DurableEvent)]
#[durable(name = "shop.Paid")]
#[durable(crate = fanfare_outbox)]
struct Paid(u64);

fn main() {
    use fanfare_outbox::DurableEvent;
    assert_eq!((Paid::NAME, Paid::VERSION), ("shop.Paid", 1));
    assert_eq!(Paid(7).key(), None);
}
