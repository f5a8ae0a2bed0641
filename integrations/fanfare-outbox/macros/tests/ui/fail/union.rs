use fanfare_outbox_macros::DurableEvent;

#[derive(DurableEvent)]
#[durable(name = "shop.Half")]
union Half {
    small: u32,
    large: u64,
}

fn main() {}
