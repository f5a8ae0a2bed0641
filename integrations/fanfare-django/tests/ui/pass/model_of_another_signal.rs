use fanfare::{Sender, Signal, receiver};
use fanfare_django::model::{BULK_CREATED, Bulk, ReceiverResult};

mod customer {
    pub struct Entity;
    #[derive(Clone)]
    pub struct Model {
        pub name: String,
    }

    impl fanfare_django::model::ModelSender for Entity {}
}

static ORDERED: Signal<u32> = Signal::new();

#[receiver(ORDERED, sender = customer::Entity)]
fn ordered(_sender: Sender<'_>, _order: &u32) {}

#[receiver(BULK_CREATED, sender = customer::Entity)]
fn imported(_sender: Sender<'_>, _event: &Bulk<'_>) -> ReceiverResult {
    Ok(())
}

fn main() {}
