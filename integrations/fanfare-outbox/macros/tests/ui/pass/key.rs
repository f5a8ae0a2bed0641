use fanfare_outbox_macros::DurableEvent;

#[derive(DurableEvent)]
#[durable(name = "shop.Paid", key = r#type, crate = fanfare_outbox)]
struct Paid {
    r#type: i64,
}

#[derive(DurableEvent)]
#[durable(name = "shop.Sent", key = 0, crate = fanfare_outbox)]
struct Sent(&'static str);

#[derive(DurableEvent)]
#[durable(name = "shop.Ended", key = Self::order, crate = fanfare_outbox)]
enum Ended {
    Paid { order: i64 },
    Left,
}

impl Ended {
    fn order(&self) -> Option<String> {
        match self {
            Ended::Paid { order } => Some(order.to_string()),
            Ended::Left => None,
        }
    }
}

#[derive(DurableEvent)]
#[durable(name = "shop.Left", key = keys::of_left, crate = fanfare_outbox)]
struct Left;

mod keys {
    pub(super) fn of_left(_left: &super::Left) -> String {
        String::from("left")
    }
}

fn main() {
    use fanfare_outbox::DurableEvent;
    assert_eq!(Paid { r#type: 7 }.key().as_deref(), Some("7"));
    assert_eq!(Sent("by post").key().as_deref(), Some("by post"));
    assert_eq!(Ended::Paid { order: 8 }.key().as_deref(), Some("8"));
    assert_eq!(Ended::Left.key(), None);
    assert_eq!(Left.key().as_deref(), Some("left"));
}
