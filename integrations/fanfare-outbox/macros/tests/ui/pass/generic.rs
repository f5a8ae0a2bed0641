use fanfare_outbox_macros::DurableEvent;

#[derive(DurableEvent)]
#[durable(name = "shop.Changed", crate = crate::fanfare_outbox)]
struct Changed {
    before: String,
    after: String,
}

#[derive(DurableEvent)]
#[durable(name = "shop.Counted", crate = "crate::fanfare_outbox")]
struct Counted([u8; 4]);

fn main() {
    let schema = <Counted as fanfare_outbox::DurableEvent>::SCHEMA;
    assert_eq!(schema, Some("struct([u8; 4])"));
}
