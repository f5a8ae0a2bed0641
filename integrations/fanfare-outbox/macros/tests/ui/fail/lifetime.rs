use fanfare_outbox_macros::DurableEvent;

#[derive(DurableEvent)]
#[durable(name = "shop.Named")]
struct Named<'n> {
    name: &'n str,
}

fn main() {}
