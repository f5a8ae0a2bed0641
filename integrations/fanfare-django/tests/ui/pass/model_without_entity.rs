use fanfare::receiver;
use fanfare_django::model::{POST_SAVE, PostSave};

mod customer {
    pub struct Entity;
    pub struct Model;

    impl fanfare_django::model::ModelSender for Entity {}
}

#[receiver(POST_SAVE, model = customer)]
fn welcome(_customer: &customer::Model, _event: &PostSave<'_>) {}

fn main() {}
