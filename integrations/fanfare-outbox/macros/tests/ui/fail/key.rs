use fanfare_outbox_macros::DurableEvent;

#[derive(DurableEvent)]
#[durable(name = "shop.Paid", key = customer)]
struct Paid {
    order: i64,
}

#[derive(DurableEvent)]
#[durable(name = "shop.Sent", key = 1)]
struct Sent(i64);

#[derive(DurableEvent)]
#[durable(name = "shop.Ended", key = order)]
enum Ended {
    Paid { order: i64 },
    Left,
}

#[derive(DurableEvent)]
#[durable(name = "shop.Left", key = "order")]
struct Left {
    order: i64,
}

fn main() {}
