use std::borrow::Cow;

use fanfare::{Deferred, Sender, Signal};

struct Order;

static SAVED: Signal<u32> = Signal::new();

fn main() {
    let _ = SAVED.from(Sender::of::<Order>());
    let _ = SAVED.options().sender(Sender::of::<Order>());
    let _ = SAVED.emitter().from(&String::from("shop.Order"));
    Deferred::new().record(SAVED.from(1), 7);
    let _ = SAVED.from(Some(7_u32).map_or(Sender::NONE, Sender::from));
    let _ = SAVED.from(Sender::key(u128::from_be_bytes([0_u8; 16])));
    SAVED.from("o").disconnect_all();
    SAVED.options().sender(Sender::NONE).disconnect_uid("uid");
    for name in &["shop.Order", "shop.Book"] {
        assert!(SAVED.from(name).send(&7).is_empty());
    }
    assert!(SAVED.from(&Cow::Borrowed("shop.Order")).send(&7).is_empty());
}
