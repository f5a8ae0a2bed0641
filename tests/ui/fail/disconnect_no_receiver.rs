use fanfare::{Sender, Signal};

static DONE: Signal<u32> = Signal::new();

fn other(_sender: Sender<'_>, _event: &String) {}

fn main() {
    DONE.disconnect("bell");
    DONE.disconnect(other);
    let connection = DONE.connect(|_sender, _number| ());
    DONE.disconnect(connection);
}
