use fanfare::receiver;
use fanfare_django::model::{PRE_SAVE, PreSave};

mod customer {
    pub struct Entity;
    #[derive(Clone)]
    pub struct Model {
        pub name: String,
    }

    impl fanfare_django::model::ModelSender for Entity {}
}

#[receiver(PRE_SAVE, model = customer)]
async fn tidy(customer: &mut customer::Model, _event: &PreSave<'_>) {
    customer.name.clear();
}

fn main() {}
