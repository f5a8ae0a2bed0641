use fanfare_outbox_macros::DurableEvent;
use serde_json::{Value, json};

#[derive(DurableEvent)]
#[durable(name = "shop.Paid", version = 3, upcast = Paid::from_older, crate = fanfare_outbox)]
struct Paid {
    cents: u64,
}

impl Paid {
    fn from_older(version: u32, mut payload: Value) -> Option<Value> {
        payload["from"] = version.into();
        (version == 2).then_some(payload)
    }
}

fn main() {
    use fanfare_outbox::DurableEvent;
    assert_eq!(Paid::upcast(2, json!({})), Some(json!({ "from": 2 })));
    assert_eq!(Paid::upcast(1, json!({})), None);
}
