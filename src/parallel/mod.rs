//! Sends whose receivers run on the threads of a rayon pool.
//!
//! * `verbs`: the sends.
//! * `walk`: the walk on the pool.

mod verbs;
mod walk;
