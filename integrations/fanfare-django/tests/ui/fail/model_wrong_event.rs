use fanfare::receiver;
use fanfare_django::model::{Delete, POST_SAVE, PostSave};

mod customer {
    pub struct Entity;
    #[derive(Clone)]
    pub struct Model {
        pub name: String,
    }

    impl fanfare_django::model::ModelSender for Entity {}
}

#[receiver(POST_SAVE, model = customer)]
fn welcome(_customer: &customer::Model, _event: &Delete<'_>) {}

fn main() {
    let _: Option<PostSave<'_>>;
}
