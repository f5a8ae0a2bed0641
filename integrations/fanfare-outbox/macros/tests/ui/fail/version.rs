use fanfare_outbox_macros::DurableEvent;

#[derive(DurableEvent)]
#[durable(name = "shop.Paid", version = 0)]
struct Zero(u64);

#[derive(DurableEvent)]
#[durable(name = "shop.Sent", version = "2")]
struct Text(u64);

#[derive(DurableEvent)]
#[durable(name = "shop.Left", version = 4294967296, upcast = from_older)]
struct TooLarge(u64);

fn main() {}
