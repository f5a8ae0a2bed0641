//! A send that observers see, as it is kept after the call that made it.

use std::sync::Arc;

use crate::sender::{Sender, SenderKey};
use crate::tap::cause::SendId;
use crate::tap::context::Context;
use crate::tap::observer::ObservedSend;
use crate::tap::observers::Tap;
use crate::tap::ways::SendWay;

/// A send that owns its parts.
pub(super) struct KeptSend {
    pub(super) tap: Arc<Tap>,
    pub(super) id: SendId,
    /// The context in which the send was made.
    pub(super) context: Context,
    pub(super) sender: Option<SenderKey>,
    pub(super) way: SendWay,
}

impl KeptSend {
    /// Returns the send as observers see it.
    pub(super) fn observed(&self) -> ObservedSend<'_> {
        let sender = self.sender.as_ref();
        ObservedSend {
            id: self.id,
            context: &self.context,
            signal: &self.tap.signal,
            sender: sender.map_or(Sender::NONE, SenderKey::as_sender),
            way: self.way,
        }
    }
}
