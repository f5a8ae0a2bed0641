//! Names the crates with receivers.

events::apps!(shop_receivers, acme_billing as billing);

fn main() {
    fanfare_app::run();
}
