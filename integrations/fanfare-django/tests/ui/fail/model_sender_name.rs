use fanfare::{Sender, receiver};
use fanfare_django::model::{CLASS_PREPARED, ClassPrepared, POST_SAVE, PostSave, ReceiverResult};

#[receiver(POST_SAVE, sender = "customer")]
fn welcome(_sender: Sender<'_>, _event: &PostSave<'_>) -> ReceiverResult {
    Ok(())
}

// Sent before the name is known.
#[receiver(CLASS_PREPARED, sender = "shop.Customer")]
fn prepared(_sender: Sender<'_>, _event: &ClassPrepared<'_>) {}

fn main() {}
