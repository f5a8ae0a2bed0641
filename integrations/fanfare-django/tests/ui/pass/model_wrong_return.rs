use fanfare::receiver;
use fanfare_django::model::{POST_INIT, POST_SAVE, PostInit, PostSave};

mod customer {
    pub struct Entity;
    #[derive(Clone)]
    pub struct Model {
        pub name: String,
    }

    impl fanfare_django::model::ModelSender for Entity {}
}

#[receiver(POST_SAVE, model = customer)]
fn counted(_customer: &customer::Model, _event: &PostSave<'_>) -> Result<(), String> {
    Ok(())
}

#[receiver(POST_INIT, model = customer)]
fn made(_customer: &customer::Model, _event: &PostInit<'_>) {}

fn main() {}
