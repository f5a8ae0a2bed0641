//! Durable receivers, and the causes of their events.
//!
//! * `receivers`: the durable receivers, which are in no table.
//! * `stored_cause`, `origin`: the cause of a durable event as it is stored, and the steps by which
//!   it is found and read again.

pub(crate) mod origin;
pub(crate) mod receivers;
pub(crate) mod stored_cause;
