//! Senders that can die, and the receivers that are disconnected with them.

use std::sync::Arc;

use super::removal::Removal;
use crate::event::Event;
use crate::receiver::Hub;
use crate::sender::SenderKey;
use crate::sender::identity::DropsSender;

/// Returns `true` if the sender has not died. Only an identity can die. See
/// [`IdentityState::remember`](crate::identity::IdentityState::remember).
pub(crate) fn sender_lives<E: Event, R: 'static>(
    hub: &Arc<Hub<E, R>>,
    sender: Option<&SenderKey>,
) -> bool {
    match sender {
        Some(SenderKey::Identity(identity)) => {
            identity.remember(&(Arc::clone(hub) as Arc<dyn DropsSender>))
        }
        _ => true,
    }
}

impl<E: Event, R: 'static> DropsSender for Hub<E, R> {
    fn drop_sender(&self, sender: &SenderKey) {
        // A frozen signal keeps them, because no send can be from that sender any more.
        let _ = Removal::Sender(Some(sender.clone())).apply_to(self);
    }
}
