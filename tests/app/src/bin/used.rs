//! Names a crate with receivers by hand.

use shop_receivers as _;

fn main() {
    fanfare_app::run();
}
