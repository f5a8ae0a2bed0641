use fanfare::{Signal, receiver};
use fanfare_django::model::{BULK_CREATED, Bulk};

mod customer {
    pub struct Entity;
    #[derive(Clone)]
    pub struct Model {
        pub name: String,
    }

    impl fanfare_django::model::ModelSender for Entity {}
}

static ORDERED: Signal<u32> = Signal::new();

#[receiver(ORDERED, model = customer)]
fn ordered(_customer: &customer::Model, _order: &u32) {}

#[receiver(BULK_CREATED, model = customer)]
fn imported(_customer: &customer::Model, _event: &Bulk<'_>) {}

fn main() {}
