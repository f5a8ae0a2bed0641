use fanfare::{Deferred, Signal};

struct Order;

static SAVED: Signal<u32> = Signal::new();

fn main() {
    let _ = SAVED.from(Order);
    let _ = SAVED.options().sender(&Order);
    let _ = SAVED.emitter().from(String::from("shop.Order"));
    Deferred::new().record(SAVED.from(1.5), 7);
    let _ = SAVED.from(Some(7_u32));
    let _ = SAVED.from([0_u8; 16]);
    SAVED.from('o').disconnect_all();
    SAVED.options().sender(()).disconnect_uid("uid");
}
