use fanfare_outbox_macros::DurableEvent;

#[derive(DurableEvent)]
#[durable(name = "shop.Named", crate = fanfare_outbox)]
struct Named {
    name: String,
}

fn main() {
    let schema = <Named as fanfare_outbox::DurableEvent>::SCHEMA;
    assert_eq!(schema, Some("struct {name: String}"));
}
