use fanfare::{Sender, Signal, receiver};
use fanfare_django::model::{CLASS_PREPARED, ClassPrepared, POST_SAVE, PostSave, ReceiverResult};

#[receiver(POST_SAVE, sender = "shop.Customer")]
fn welcome(_sender: Sender<'_>, _event: &PostSave<'_>) -> ReceiverResult {
    Ok(())
}

#[receiver(CLASS_PREPARED)]
fn prepared(_sender: Sender<'_>, _event: &ClassPrepared<'_>) {}

// Any name is a sender of a signal that is not of models.
static ORDERED: Signal<u32> = Signal::new();

#[receiver(ORDERED, sender = "customer")]
fn count(_sender: Sender<'_>, _order: &u32) {}

fn main() {}
