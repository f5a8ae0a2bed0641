//! The part that the programs share.

/// Connects the receivers, sends an order, and prints both.
pub fn run() {
    println!("{}", events::connect_receivers());
    println!("ordered: {}", silent::order());
}
