use fanfare_outbox_macros::DurableEvent;

#[derive(DurableEvent)]
#[durable(name = "shop.Paid", version = 2)]
struct WithoutUpcast {
    cents: u64,
}

#[derive(DurableEvent)]
#[durable(name = "shop.Sent", upcast = from_version_1)]
struct WithoutOlder {
    cents: u64,
}

#[derive(DurableEvent)]
#[durable(name = "shop.Left", version = 2, upcast = "from_version_1")]
struct AsText {
    cents: u64,
}

fn main() {}
