use std::sync::Arc;

use fanfare::receiver;
use fanfare_django::model::{POST_SAVE, PRE_SAVE, PostSave, PreSave};

mod customer {
    pub struct Entity;
    #[derive(Clone)]
    pub struct Model {
        pub name: String,
    }

    impl fanfare_django::model::ModelSender for Entity {}
}

async fn yield_now() {}

#[receiver(POST_SAVE, model = customer)]
async fn welcome(customer: &customer::Model, _event: &PostSave<'_>) {
    let length = Arc::new(customer.name.len());
    yield_now().await;
    println!("{length}");
}

#[receiver(PRE_SAVE, model = customer)]
async fn tidy(_customer: &customer::Model, event: &PreSave<'_>) {
    yield_now().await;
    event.with_instance(|customer: &mut customer::Model| customer.name.clear());
}

fn main() {}
