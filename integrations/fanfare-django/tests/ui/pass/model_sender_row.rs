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

#[receiver(POST_SAVE, sender = customer::Entity)]
fn welcome(_sender: Sender<'_>, _event: &PostSave<'_>) -> Answer {
    Ok(())
}

fn main() {}
