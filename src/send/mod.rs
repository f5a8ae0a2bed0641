//! Sending on the thread of the sender: snapshot, walk, responses.
//!
//! * `verbs`: the sends of a signal.
//! * `emitter`: a sender that keeps its snapshot between sends.
//! * `counted`: the path of sends whose responses are only counted.
//! * `collect`: the sends that keep responses.
//! * `robust`: the sends that catch panics.
//! * `walk`: the walk below all of them.

pub(crate) mod collect;
pub(crate) mod counted;
pub(crate) mod emitter;
pub(crate) mod robust;
mod verbs;
pub(crate) mod walk;
