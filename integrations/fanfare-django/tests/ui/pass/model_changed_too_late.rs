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

#[receiver(PRE_SAVE, model = customer)]
fn before(customer: &mut customer::Model, _event: &PreSave<'_>) {
    customer.name.clear();
}

#[receiver(POST_SAVE, model = customer)]
fn after(customer: &customer::Model, _event: &PostSave<'_>) {
    assert!(customer.name.is_empty());
}

fn main() {}
