use fanfare_outbox_macros::DurableEvent;

#[derive(DurableEvent)]
#[durable(name = "shop.Changed")]
struct Changed<T> {
    before: T,
    after: T,
}

#[derive(DurableEvent)]
#[durable(name = "shop.Counted")]
struct Counted<const N: usize>([u8; N]);

fn main() {}
