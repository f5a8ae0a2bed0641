//! The kinds of receivers, and their treatment by a send.

/// The treatment of a receiver by a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReceiverKind {
    /// A receiver that a send calls.
    Called,
    /// A receiver that a send calls. An async send calls it where it may block the thread.
    Blocking,
    /// A receiver that a send calls. An async send calls it on a thread where it may block, and
    /// awaits it.
    Offloaded,
    /// A receiver that a send awaits, together with the other receivers that are awaited.
    Awaited,
    /// A receiver to whose queue or stream a send gives the event.
    Queued,
}

/// The way in which a send waits for the receivers that it awaits.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "async"),
    allow(dead_code, reason = "no async receivers")
)]
pub(crate) enum Mode {
    /// A wait on the thread of the send.
    Blocking,
    /// A wait as a future.
    Async,
}

impl ReceiverKind {
    /// Returns the kind as a word.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            ReceiverKind::Called => "called",
            ReceiverKind::Blocking => "blocking",
            ReceiverKind::Offloaded => "offloaded",
            ReceiverKind::Awaited => "awaited",
            ReceiverKind::Queued => "queued",
        }
    }

    /// Returns `true` if a send awaits the receiver together with others.
    pub(crate) fn is_awaited(self, mode: Mode) -> bool {
        match self {
            ReceiverKind::Awaited => true,
            ReceiverKind::Offloaded => mode == Mode::Async,
            ReceiverKind::Called | ReceiverKind::Blocking | ReceiverKind::Queued => false,
        }
    }

    /// Returns `true` if a send gives the event to a queue.
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
