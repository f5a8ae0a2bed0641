use fanfare::Event;

#[derive(Event)]
struct Half {
    small: u32,
    large: u64,
}

fn main() {}
