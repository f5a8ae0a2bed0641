//! Preparing a thread for its first send.

use crate::stack;
use crate::table::sync;

/// Does for the calling thread the work that its first send would otherwise do once.
///
/// The first send of a thread, through any signal, looks for a free node in a list that all threads
/// share, allocates a node if every one is taken, and registers a destructor that gives the node
/// back when the thread ends. Later sends of that thread use the same node. (A send to a signal
/// without receivers needs no node, and leaves that work to the next send.) Call this function
/// before the first send where that send must not allocate or call the system, as on an audio
/// thread. It prepares the thread for all signals at once, and for both cells (feature
/// `asymmetric`).
///
/// The first send that is nested inside another requests the bounds of the thread's stack from the
/// system, so that unbounded recursion ends in a panic. This function makes that request, and the
/// nested send then does not.
///
/// A second call on the same thread has no effect. A call from the destructor of a thread-local
/// variable is allowed, but has no effect either: sends of a thread that is ending take and return
/// a node each time.
///
/// ```
/// use std::thread;
///
/// use fanfare::{Signal, prepare_thread};
///
/// static SAMPLE: Signal<f32> = Signal::new();
/// SAMPLE.connect(|_sender, sample| assert!(sample.abs() <= 1.0));
///
/// let audio = thread::spawn(|| {
///     prepare_thread();
///     // This send allocates nothing and makes no system call.
///     SAMPLE.send(&0.5).len()
/// });
/// assert_eq!(audio.join().unwrap(), 1);
/// ```
pub fn prepare_thread() {
    sync::prepare_thread();
    stack::bounds();
}
