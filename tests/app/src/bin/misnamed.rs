//! Names a crate that declares no receiver, and a renamed one by its new name alone.

events::apps!(shop_receivers, silent);
events::apps!(billing);

fn main() {
    fanfare_app::run();
}
