use fanfare::{Sender, receiver};
use fanfare_django::model::{POST_SAVE, PostSave, ReceiverResult};

mod customer {
    pub struct Entity;
    #[derive(Clone)]
    pub struct Model {
        pub name: String,
    }

    impl fanfare_django::model::ModelSender for Entity {}
}

#[receiver(POST_SAVE, model = customer, sender = customer::Entity)]
fn welcome(_customer: &customer::Model, _event: &PostSave<'_>) -> ReceiverResult {
    Ok(())
}

#[receiver(POST_SAVE, model = "shop.Customer")]
fn by_name(_customer: &customer::Model, _event: &PostSave<'_>) -> ReceiverResult {
    Ok(())
}

#[receiver(POST_SAVE, model = customer<u8>)]
fn generic(_customer: &customer::Model, _event: &PostSave<'_>) -> ReceiverResult {
    Ok(())
}

fn main() {}
