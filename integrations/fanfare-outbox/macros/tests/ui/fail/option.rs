use fanfare_outbox_macros::DurableEvent;

#[derive(DurableEvent)]
#[durable(name = "shop.Paid", title = "Paid")]
struct Unknown(u64);

#[derive(DurableEvent)]
#[durable(name = "shop.Paid", name = "shop.Sent")]
struct Twice(u64);

#[derive(DurableEvent)]
#[durable(name)]
struct WithoutValue(u64);

#[derive(DurableEvent)]
#[durable]
struct WithoutOptions(u64);

#[derive(DurableEvent)]
#[durable(name = "shop.Paid", crate = 7)]
struct NoPath(u64);

#[derive(DurableEvent)]
#[durable(name = "shop.Paid")]
struct OnField {
    #[durable(key)]
    order: i64,
}

#[derive(DurableEvent)]
#[durable(name = "shop.Paid")]
enum OnVariant {
    #[durable(name = "shop.Paid.Now")]
    Now,
}

fn main() {}
