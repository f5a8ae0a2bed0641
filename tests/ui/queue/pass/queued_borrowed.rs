use fanfare::{Event, Queue, Signal};

#[derive(Event)]
struct Paid<'a> {
    by: &'a str,
}

static PAID: Signal<Paid<'static>> = Signal::new();

fn main() {
    let queue = Queue::bounded(1).unwrap();
    PAID.options()
        .queued(&queue)
        .connect_owned(|paid| paid.by.to_owned(), |_sender, by| assert_eq!(by, "Ada"));
    PAID.send(&Paid { by: "Ada" });
    queue.flush().unwrap();
    assert_eq!(queue.panicked(), 0);
}
