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

#[receiver(POST_SAVE, sender = customer::Entity)]
fn welcome(_sender: Sender<'_>, _event: &PostSave<'_>) -> ReceiverResult {
    Ok(())
}

fn main() {}
