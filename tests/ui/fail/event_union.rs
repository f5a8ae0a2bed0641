use fanfare::Event;

#[derive(Event)]
union Half {
    small: u32,
    large: u64,
}

fn main() {}
