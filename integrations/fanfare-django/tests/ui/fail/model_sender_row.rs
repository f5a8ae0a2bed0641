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

// The struct of a row, which no ORM sends from.
#[receiver(POST_SAVE, sender = customer::Model)]
fn welcome(_sender: Sender<'_>, _event: &PostSave<'_>) -> Answer {
    Ok(())
}

fn main() {}
