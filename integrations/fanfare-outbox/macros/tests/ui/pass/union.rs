use fanfare_outbox_macros::DurableEvent;

#[derive(DurableEvent)]
#[durable(name = "shop.Half", crate = fanfare_outbox)]
enum Half {
    Small(u32),
    Large { bytes: u64 },
    Unknown,
}

fn main() {
    let schema = <Half as fanfare_outbox::DurableEvent>::SCHEMA;
    assert_eq!(schema, Some("enum {Small(u32), Large {bytes: u64}, Unknown}"));
}
