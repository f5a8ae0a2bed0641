use fanfare_outbox_macros::DurableEvent;

#[derive(DurableEvent)]
struct Unnamed(u64);

#[derive(DurableEvent)]
#[durable(version = 1)]
struct OptionsWithoutName(u64);

#[derive(DurableEvent)]
#[durable(name = "")]
struct Empty(u64);

#[derive(DurableEvent)]
#[durable(name = "shop.\0")]
struct WithNul(u64);

#[derive(DurableEvent)]
#[durable(name = shop::Paid)]
struct ByPath(u64);

fn main() {}
