//! Depends on crates with receivers, and names none of them.

fn main() {
    fanfare_app::run();
}
