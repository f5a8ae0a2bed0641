//! The kinds of receivers, and how a send treats each.

/// What a send does with a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReceiverKind {
    /// Calls it.
    Called,
    /// Calls it; in an async send where it may block the thread.
    Blocking,
    /// Calls it; in an async send on a thread where it may block, and awaits it.
    Offloaded,
    /// Awaits it, together with the others that are awaited.
    Awaited,
    /// Hands the event to its queue.
    Queued,
}

/// How a send waits for the receivers that it awaits.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "async"),
    allow(dead_code, reason = "no async receivers")
)]
pub(crate) enum Mode {
    /// On its thread.
    Blocking,
    /// As a future.
    Async,
}

impl ReceiverKind {
    /// Returns `true` if a send awaits the receiver together with others.
    pub(crate) fn is_awaited(self, mode: Mode) -> bool {
        match self {
            ReceiverKind::Awaited => true,
            ReceiverKind::Offloaded => mode == Mode::Async,
            ReceiverKind::Called | ReceiverKind::Blocking | ReceiverKind::Queued => false,
        }
    }

    /// Returns `true` if a send hands the event to a queue.
    pub(crate) fn is_queued(self) -> bool {
        match self {
            ReceiverKind::Queued => true,
            ReceiverKind::Called
            | ReceiverKind::Blocking
            | ReceiverKind::Offloaded
            | ReceiverKind::Awaited => false,
        }
    }

    /// Returns `true` if a send on a thread that waits for it cannot simply call the receiver.
    pub(crate) fn is_special(self) -> bool {
        self.is_awaited(Mode::Blocking) || self.is_queued()
    }

    /// Returns `true` if an async send calls the receiver where it may block the thread.
    #[cfg(feature = "async")]
    pub(crate) fn may_block(self) -> bool {
        match self {
            ReceiverKind::Blocking => true,
            ReceiverKind::Called
            | ReceiverKind::Offloaded
            | ReceiverKind::Awaited
            | ReceiverKind::Queued => false,
        }
    }

    /// Returns `true` if a receiver that is awaited goes on when its send is dropped.
    #[cfg(feature = "async")]
    pub(crate) fn outlives_its_send(self) -> bool {
        match self {
            ReceiverKind::Offloaded => true,
            ReceiverKind::Called
            | ReceiverKind::Blocking
            | ReceiverKind::Awaited
            | ReceiverKind::Queued => false,
        }
    }
}
