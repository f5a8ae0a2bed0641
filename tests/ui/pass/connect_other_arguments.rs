use fanfare::Signal;

static PIZZA_DONE: Signal<u32> = Signal::new();

fn main() {
    PIZZA_DONE.connect(|_sender, _size_cm| println!("ring"));
    PIZZA_DONE.send(&32);
}
