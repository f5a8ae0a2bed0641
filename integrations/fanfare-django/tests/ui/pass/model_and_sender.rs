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

#[receiver(POST_SAVE, model = customer)]
fn welcome(_customer: &customer::Model, _event: &PostSave<'_>) -> ReceiverResult {
    Ok(())
}

#[receiver(POST_SAVE, sender = "shop.Customer")]
fn by_name(_sender: Sender<'_>, _event: &PostSave<'_>) -> ReceiverResult {
    Ok(())
}

#[receiver(POST_SAVE, model = self::customer, dispatch_uid = "generic")]
fn generic(_customer: &customer::Model, _event: &PostSave<'_>) -> ReceiverResult {
    Ok(())
}

fn main() {}
