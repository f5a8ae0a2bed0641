//! Which signals this thread is sending, and how deep.
//!
//! Known so that `disconnect_and_wait` can refuse to wait for its own caller, and so that
//! a recursion by mistake ends in a panic and not in an overflown stack.

use std::cell::Cell;
use std::ptr;

/// Sends inside sends on one thread at most.
const MAX_NESTING: u32 = 1_000;
/// Bytes of stack that so many sends inside one may use: three quarters of what `std` gives
/// a thread. A few may use more: those are no circle.
const MAX_STACK: usize = 3 << 19;
const FEW: u32 = 32;
/// Outer sends whose signals are known; inside more of them, any signal might be one.
const KNOWN: usize = 32;

thread_local! {
    /// The address of the hub that the innermost send is of; `NONE` outside of sends.
    static INNERMOST: Cell<usize> = const { Cell::new(NONE) };
    /// What there is to know of a send inside a send. Left alone by one that is not.
    static NESTED: Cell<Nested> = const { Cell::new(NOT_NESTED) };
    /// The addresses of the hubs of the outer sends, outermost first.
    static OUTER: [Cell<usize>; KNOWN] = const { [const { Cell::new(NONE) }; KNOWN] };
}

#[cfg(feature = "async")]
thread_local! {
    /// How many async sends this thread is polling, one inside another.
    static POLLS: Cell<u32> = const { Cell::new(0) };
}

const NONE: usize = 0;
const NOT_NESTED: Nested = Nested {
    depth: 0,
    stack: 0,
    here: 0,
};

#[derive(Clone, Copy)]
struct Nested {
    /// How many sends the innermost one is inside of.
    depth: u32,
    /// How much stack there is between the first of those inside another and the innermost.
    stack: usize,
    /// Where on the stack the innermost was counted.
    here: usize,
}

/// Whether this thread is inside a send of `hub`, or inside the destructor of one of its
/// receivers.
pub(crate) fn is_inside<H>(hub: *const H) -> bool {
    let depth = NESTED.get().depth as usize;
    let among = |outer: &[Cell<usize>; KNOWN]| match outer.get(..depth) {
        Some(outer) => outer.iter().any(|outer| outer.get() == hub.addr()),
        None => true,
    };
    INNERMOST.get() == hub.addr() || OUTER.with(among)
}

/// A send, or the destructor of a receiver, that runs on this thread until this is dropped.
#[must_use]
pub(crate) struct Running {
    outer: usize,
    /// What NESTED was, where there is an outer one.
    nested: Nested,
}

impl Running {
    /// Starts a send of `hub`.
    ///
    /// # Panics
    ///
    /// If the sends that are running on this thread are too many or use too much stack.
    #[inline]
    pub(crate) fn send<H>(hub: *const H) -> Self {
        let outer = INNERMOST.get();
        let nested = if outer == NONE {
            NOT_NESTED
        } else {
            check_depth();
            nest(outer)
        };
        INNERMOST.set(hub.addr());
        Running { outer, nested }
    }

    /// Starts the destructor of a receiver of `hub`.
    pub(crate) fn unchecked<H>(hub: *const H) -> Self {
        let outer = INNERMOST.get();
        let nested = if outer == NONE {
            NOT_NESTED
        } else {
            nest(outer)
        };
        INNERMOST.set(hub.addr());
        Running { outer, nested }
    }
}

/// As [`Running`], for a send that is inside no other: it has nothing to put back.
#[must_use]
pub(crate) struct Outermost(());

impl Outermost {
    /// Starts a send of `hub`; `None` inside of another.
    #[inline(always)]
    pub(crate) fn send<H>(hub: *const H) -> Option<Self> {
        if INNERMOST.get() != NONE {
            return None;
        }
        INNERMOST.set(hub.addr());
        Some(Outermost(()))
    }
}

impl Drop for Outermost {
    #[inline(always)]
    fn drop(&mut self) {
        INNERMOST.set(NONE);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        INNERMOST.set(self.outer);
        if self.outer != NONE {
            NESTED.set(self.nested);
        }
    }
}

/// Counts what runs inside another; returns the count as it was.
#[inline(never)]
fn nest(outer: usize) -> Nested {
    let nested = NESTED.get();
    OUTER.with(|known| {
        if let Some(known) = known.get(nested.depth as usize) {
            known.set(outer);
        }
    });
    let here = ptr::from_ref(&nested).addr();
    let step = match nested.here {
        0 => 0,
        // A step this long is to another stack, as crates that grow the stack make one.
        before if before.abs_diff(here) > MAX_STACK => 0,
        before => before.abs_diff(here),
    };
    NESTED.set(Nested {
        depth: nested.depth + 1,
        stack: nested.stack + step,
        here,
    });
    nested
}

/// A stack that overflows ends the process; this ends in a panic before that.
#[inline(never)]
fn check_depth() {
    let Nested { depth, stack, .. } = NESTED.get();
    assert!(
        depth + 1 < MAX_NESTING && (depth < FEW || stack <= MAX_STACK),
        "sends are nested {} deep on this thread, on {stack} bytes of stack (the limits are \
         {MAX_NESTING} and {MAX_STACK}): a receiver sends a signal that leads back to it; break \
         the circle, or hand the event to another thread",
        depth + 2,
    );
}

/// Whether this thread is polling an async send, so that to block it is to block an
/// executor.
#[cfg(feature = "async")]
pub(crate) fn is_polling() -> bool {
    POLLS.get() > 0
}

/// An async send that is being polled on this thread until this is dropped.
#[cfg(feature = "async")]
#[must_use]
pub(crate) struct Polling {
    outer: u32,
}

#[cfg(feature = "async")]
impl Polling {
    pub(crate) fn start() -> Self {
        let outer = POLLS.get();
        POLLS.set(outer + 1);
        Polling { outer }
    }

    /// Starts something inside of one that may block all the same.
    #[cfg(feature = "tokio")]
    pub(crate) fn suspend() -> Self {
        Polling {
            outer: POLLS.replace(0),
        }
    }
}

#[cfg(feature = "async")]
impl Drop for Polling {
    fn drop(&mut self) {
        POLLS.set(self.outer);
    }
}
