//! Steps of the shipped code that the models cannot compile and so follow by hand, each of
//! which a world can weaken.

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weakened {
    Nothing,
    /// A slot announces that it has gone before its callable is dropped.
    GoneBeforeDrop,
    /// A send pins each weak receiver only when its turn comes.
    PinnedInTurn,
    /// A send looks whether a weak receiver is alive, but does not pin it.
    Unpinned,
    /// A change publishes each of its steps.
    StepByStep,
    /// A failed upgrade of a connection's handle acquires nothing.
    EndNotAcquired,
}
