use fanfare::{Sender, Signal};

static DONE: Signal<u32> = Signal::new();

fn other(_sender: Sender<'_>, _number: &u32) {}

fn main() {
    DONE.options().dispatch_uid("bell").connect(|_sender, _number| ());
    assert!(DONE.disconnect_uid("bell"));
    DONE.connect(other);
    assert!(DONE.disconnect(other));
    let connection = DONE.connect(|_sender, _number| ());
    assert!(connection.disconnect());
}
