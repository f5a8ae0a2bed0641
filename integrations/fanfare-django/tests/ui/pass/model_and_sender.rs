use fanfare::{Sender, receiver};
use fanfare_django::model::{Answer, POST_SAVE, PostSave};

mod customer {
    pub struct Entity;
    #[derive(Clone)]
    pub struct Model {
        pub name: String,
    }

    impl fanfare_django::model::ModelSender for Entity {}
}

#[receiver(POST_SAVE, model = customer)]
fn welcome(_customer: &customer::Model, _event: &PostSave<'_>) -> Answer {
    Ok(())
}

#[receiver(POST_SAVE, sender = "shop.Customer")]
fn by_name(_sender: Sender<'_>, _event: &PostSave<'_>) -> Answer {
    Ok(())
}

#[receiver(POST_SAVE, model = self::customer, dispatch_uid = "generic")]
fn generic(_customer: &customer::Model, _event: &PostSave<'_>) -> Answer {
    Ok(())
}

fn main() {}
