//! The sends that are running on this thread, innermost first.
//!
//! Known so that `disconnect_and_wait` can refuse to wait for its own caller, and so that
//! a recursion by mistake ends in a panic and not in an overflown stack.

use std::cell::Cell;
use std::ptr;
use std::sync::Weak;

use crate::event::Event;
use crate::table::Table;
use crate::table::publish::Hub;

/// Sends inside sends on one thread at most.
pub(crate) const MAX_NESTING: u32 = 1_000;
/// Bytes of stack that the sends inside one send may use: three quarters of what `std` gives a thread.
const MAX_STACK: usize = 3 << 19;

thread_local! {
    static TOP: Cell<*const Frame> = const { Cell::new(ptr::null()) };
}

/// A running send. Lives on the stack of its thread, below the frames of the sends that
/// its receivers make.
struct Frame {
    below: *const Frame,
    hub: *const (),
    table: *const (),
    /// How many sends it is inside of.
    depth: u32,
    /// How much stack they use.
    stack: usize,
}

/// Runs `walk` as a send of `hub` that holds `table`.
///
/// # Panics
///
/// If the sends that are running on this thread are too many or use too much stack.
#[inline(always)]
pub(crate) fn within<E: Event, R: 'static, T>(
    hub: &Hub<Table<E, R>>,
    table: &Table<E, R>,
    walk: impl FnOnce() -> T,
) -> T {
    let below = TOP.get();
    let mut frame = Frame {
        below,
        hub: ptr::from_ref(hub).cast(),
        table: ptr::from_ref(table).cast(),
        depth: 0,
        stack: 0,
    };
    // SAFETY: see `any_frame`.
    if let Some(below) = unsafe { below.as_ref() } {
        nest(&mut frame, below);
    }
    let _leave = Leave { below };
    TOP.set(&frame);
    walk()
}

/// Ends a send, also one that unwinds.
struct Leave {
    below: *const Frame,
}

impl Drop for Leave {
    #[inline]
    fn drop(&mut self) {
        TOP.set(self.below);
    }
}

/// Counts a send that is inside another. A stack that overflows ends the process; this
/// ends in a panic before that.
#[inline(never)]
fn nest(frame: &mut Frame, below: &Frame) {
    let step = ptr::from_ref(below)
        .addr()
        .abs_diff(ptr::from_ref(frame).addr());
    frame.depth = below.depth + 1;
    // A step this long is to another stack, as crates that grow the stack make one.
    frame.stack = below.stack + if step > MAX_STACK { 0 } else { step };
    assert!(
        frame.depth < MAX_NESTING && frame.stack <= MAX_STACK,
        "sends are nested {} deep on this thread, on {} bytes of stack (the limits are \
         {MAX_NESTING} and {MAX_STACK}): a receiver sends a signal that leads back to it; break \
         the circle, or hand the event to another thread",
        frame.depth + 1,
        frame.stack,
    );
}

/// Whether `holds` is true of the table of any send of `hub` on this thread.
pub(crate) fn any_table_of<E: Event, R: 'static>(
    hub: &Weak<Hub<Table<E, R>>>,
    holds: impl Fn(&Table<E, R>) -> bool,
) -> bool {
    let hub: *const () = hub.as_ptr().cast();
    any_frame(|frame| {
        frame.hub == hub && {
            // SAFETY: `within` borrows the table for as long as the frame exists, and
            // stored it with the type of the hub at this address; the caller's `Weak`
            // keeps that address from having become another hub's.
            let table = unsafe { &*frame.table.cast::<Table<E, R>>() };
            holds(table)
        }
    })
}

/// Whether `holds` is true of a frame of this thread, asked from the innermost.
fn any_frame(holds: impl Fn(&Frame) -> bool) -> bool {
    let mut top = TOP.get();
    // SAFETY: TOP and every `below` are null or point to the frame of a `within` that has
    // not returned, further down on this very stack: `Leave` takes a frame off TOP before
    // it dies.
    while let Some(frame) = unsafe { top.as_ref() } {
        if holds(frame) {
            return true;
        }
        top = frame.below;
    }
    false
}
