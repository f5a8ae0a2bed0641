//! The signals that this thread is sending, and the depth of their nesting.
//!
//! They are recorded so that `disconnect_and_wait` can refuse to wait for its own caller, and so
//! that unbounded recursion ends in a panic before the stack overflows.

use std::cell::Cell;
use std::ops::Range;
use std::ptr;

use crate::stack;

/// The maximum number of sends inside one another on one thread.
const MAX_NESTING: u32 = 1_000;
/// The bytes of stack that a nested send must find for a panic: for its message, its hook and the
/// destructors that it runs. It is an eighth of the stack, if that is less.
const RESERVE: usize = 64 << 10;
/// The bytes by which the calls between two nested sends may go deeper than the second send. Those
/// of a save over SeaORM, without optimization, go deeper by 1.5 to 2.5 times the step from send to
/// send. It is two steps, if that is less.
const DEEPER: usize = 256 << 10;
/// The maximum number of bytes of stack between `check_for_sends` and the sends that it checks for.
/// It is a 32nd of the stack, if that is less.
const TO_A_SEND: usize = 32 << 10;
/// The bytes of stack that more than `FEW` nested sends may use if the bounds of the stack are not
/// known. It is three quarters of the stack that `std` gives a thread.
const MAX_STACK: usize = 3 << 19;
const FEW: u32 = 12;
/// The number of outer sends whose signals are known. Inside more of them, any signal might be one.
const KNOWN: usize = 32;

thread_local! {
    /// The address of the hub of the innermost send. It is `NONE` outside of sends.
    static INNERMOST: Cell<usize> = const { Cell::new(NONE) };
    /// The record of a send inside a send. A send that is not inside another does not touch it.
    static NESTED: Cell<Nested> = const { Cell::new(NOT_NESTED) };
    /// The addresses of the hubs of the outer sends, outermost first.
    static OUTER: [Cell<usize>; KNOWN] = const { [const { Cell::new(NONE) }; KNOWN] };
}

#[cfg(feature = "async")]
thread_local! {
    /// The number of async sends that this thread is polling, one inside another.
    static POLLS: Cell<u32> = const { Cell::new(0) };
}

const NONE: usize = 0;
const NOT_NESTED: Nested = Nested {
    depth: 0,
    stack: 0,
    longest: 0,
    here: 0,
};

#[derive(Clone, Copy)]
struct Nested {
    /// The number of sends around the innermost one.
    depth: u32,
    /// The bytes of stack between the first send that is inside another and the innermost.
    stack: usize,
    /// The most bytes of stack between two of them that follow each other.
    longest: usize,
    /// The address on the stack at which the innermost was counted.
    here: usize,
}

impl Nested {
    /// Returns the record with one more send, which is counted at the address `here`. `bounds` are
    /// those of the thread's stack.
    fn deeper(self, here: usize, bounds: &Range<usize>) -> Self {
        let step = self.here.abs_diff(here);
        let same_stack = match (bounds.contains(&self.here), bounds.contains(&here)) {
            (true, true) => true,
            // Coroutines, and crates that grow the stack, run on other stacks. A step this long is
            // from one stack to another.
            (false, false) => self.here != NOT_NESTED.here && step <= MAX_STACK,
            _ => false,
        };
        let step = if same_stack { step } else { 0 };
        Nested {
            depth: self.depth + 1,
            stack: self.stack + step,
            longest: self.longest.max(step),
            here,
        }
    }

    /// Returns `true` if the stack with these `bounds` has room for the innermost send. A send that
    /// is inside another of its own signal, in a circle, must leave room for the next turn as well.
    fn has_room(&self, in_circle: bool, bounds: &Range<usize>) -> bool {
        self.has_room_below(0, in_circle, bounds)
    }

    /// Returns `true` if the stack with these `bounds` has room for sends that the caller will
    /// make. They count as sends in a circle, and may start deeper by `TO_A_SEND`.
    fn has_room_for_sends(&self, bounds: &Range<usize>) -> bool {
        self.has_room_below(TO_A_SEND.min(bounds.len() / 32), true, bounds)
    }

    /// Returns the same as `has_room`, if `used` bytes were used below the innermost send.
    fn has_room_below(&self, used: usize, in_circle: bool, bounds: &Range<usize>) -> bool {
        if !bounds.contains(&self.here) {
            return self.depth <= FEW || self.stack <= MAX_STACK;
        }
        let size = bounds.len();
        let next = match in_circle {
            true => self.longest + DEEPER.min(2 * self.longest),
            false => 0,
        };
        self.here - bounds.start >= used + RESERVE.min(size / 8) + next.min(size / 2)
    }
}

/// Returns `true` if this thread is inside a send of `hub`, or inside the destructor of one of its
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
    /// The former content of `NESTED`, if there is an outer send.
    nested: Nested,
}

impl Running {
    /// Starts a send of `hub`.
    ///
    /// # Panics
    ///
    /// Panics if the sends that are running on this thread are too many or leave too little of its
    /// stack.
    #[inline]
    pub(crate) fn send<H>(hub: *const H) -> Self {
        let outer = INNERMOST.get();
        let nested = if outer == NONE {
            NOT_NESTED
        } else {
            nest_checked(outer, is_inside(hub))
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

/// A send that is inside no other, until this is dropped. It differs from [`Running`] because it
/// has no record to restore.
#[must_use]
pub(crate) struct Outermost(());

impl Outermost {
    /// Starts a send of `hub`. Returns `None` inside of another.
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

/// Counts a send inside another. Returns the record before it.
///
/// # Panics
///
/// Panics if there are too many, or the stack has no room for the send, because an overflow would
/// end the process.
#[inline(never)]
fn nest_checked(outer: usize, in_circle: bool) -> Nested {
    let nested = NESTED.get();
    let bounds = stack::bounds();
    let deeper = nested.deeper(ptr::from_ref(&nested).addr(), &bounds);
    if deeper.depth >= MAX_NESTING || !deeper.has_room(in_circle, &bounds) {
        refuse(deeper, &bounds);
    }
    note(outer, deeper);
    nested
}

/// Panics if a send that the caller is about to make would be refused. So the caller is refused
/// before the first of its sends.
///
/// # Panics
///
/// Panics if a send would panic that finds a little less of the stack than this function.
pub(crate) fn check_for_sends() {
    if INNERMOST.get() == NONE {
        return;
    }
    let nested = NESTED.get();
    let bounds = stack::bounds();
    let deeper = nested.deeper(ptr::from_ref(&nested).addr(), &bounds);
    if deeper.depth >= MAX_NESTING || !deeper.has_room_for_sends(&bounds) {
        refuse(deeper, &bounds);
    }
}

/// Counts the destructor of a receiver, as `nest_checked` counts a send. The destructor cannot be
/// refused.
#[inline(never)]
fn nest(outer: usize) -> Nested {
    let nested = NESTED.get();
    let deeper = nested.deeper(ptr::from_ref(&nested).addr(), &stack::bounds());
    note(outer, deeper);
    nested
}

fn note(outer: usize, deeper: Nested) {
    OUTER.with(|known| {
        if let Some(known) = known.get(deeper.depth as usize - 1) {
            known.set(outer);
        }
    });
    NESTED.set(deeper);
}

#[cold]
#[inline(never)]
fn refuse(refused: Nested, bounds: &Range<usize>) -> ! {
    let sends = refused.depth + 1;
    let room = if bounds.contains(&refused.here) {
        let left = refused.here - bounds.start;
        format!("with {left} bytes of its stack of {} left", bounds.len())
    } else {
        format!("on {} bytes of stack", refused.stack)
    };
    panic!(
        "sends are nested {sends} deep on this thread, {room} (the limit is {MAX_NESTING} sends, or \
         fewer that leave too little of the stack): a receiver sends a signal that leads back to \
         it; break the circle, or hand the event to another thread"
    );
}

/// Returns `true` if this thread is polling an async send, so that to block the thread is to block
/// an executor.
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

    /// Suspends the polling, for code inside it that may block all the same.
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

#[cfg(test)]
mod tests {
    use std::panic;

    use super::*;

    /// The bounds if the system does not report them, and on stacks of coroutines.
    const UNKNOWN: Range<usize> = 0..0;
    const STACK: Range<usize> = 1 << 30..(1 << 30) + (2 << 20);

    /// Returns the record of sends that were counted at these addresses.
    fn sends(at: impl IntoIterator<Item = usize>, bounds: &Range<usize>) -> Nested {
        let mut at = at.into_iter();
        let first = at.next().expect("one send at least");
        at.fold(NOT_NESTED.deeper(first, bounds), |nested, here| {
            nested.deeper(here, bounds)
        })
    }

    #[test]
    fn on_a_stack_without_bounds_few_sends_have_room_and_many_have_an_estimate() {
        let sends_of = |step: usize, count: usize| {
            let top = 1 << 40;
            sends((0..count).map(|send| top - send * step), &UNKNOWN)
        };
        assert!(sends_of(1 << 20, 12).has_room(true, &UNKNOWN));
        assert!(!sends_of(1 << 20, 13).has_room(true, &UNKNOWN));
        assert!(sends_of(1 << 10, 999).has_room(true, &UNKNOWN));
        assert!(!sends_of(2 << 10, 999).has_room(true, &UNKNOWN));
    }

    #[test]
    fn a_step_to_another_stack_is_no_use_of_stack() {
        let coroutine = 1 << 20;
        let there_and_back = sends([STACK.end - 100, coroutine, STACK.end - 200], &STACK);
        assert_eq!((there_and_back.stack, there_and_back.longest), (0, 0));
        assert_eq!(there_and_back.depth, 3);
        let far = sends([coroutine, coroutine + (1 << 30)], &STACK);
        assert_eq!(far.longest, 0);
        let near = sends([coroutine, coroutine - 4_096], &STACK);
        assert_eq!(near.longest, 4_096);
    }

    #[test]
    fn a_send_has_room_if_one_more_step_and_a_panic_have() {
        let last = |left: usize, step: usize| {
            let here = STACK.start + left;
            sends([here + step, here], &STACK).has_room(true, &STACK)
        };
        assert!(last(70 << 10, 1 << 10));
        assert!(!last(63 << 10, 1 << 10));
        assert!(
            last(220 << 10, 50 << 10),
            "the step, and two that go deeper"
        );
        assert!(!last(210 << 10, 50 << 10));
        let here = STACK.start + (70 << 10);
        let chain = sends([here + (800 << 10), here], &STACK);
        assert!(chain.has_room(false, &STACK), "another signal each time");
    }

    #[test]
    fn a_small_stack_keeps_a_part_of_itself_for_a_panic_and_the_next_step() {
        let small = 1 << 30..(1 << 30) + (64 << 10);
        let last = |left: usize, step: usize| {
            let here = small.start + left;
            sends([here + step, here], &small)
        };
        // 8 KiB for a panic, and 2 KiB below the caller for the sends that it will make.
        assert!(last(9 << 10, 1).has_room(true, &small));
        assert!(!last(7 << 10, 1).has_room(true, &small));
        assert!(last(11 << 10, 1).has_room_for_sends(&small));
        assert!(!last(9 << 10, 1).has_room_for_sends(&small));
        // A step of 20 KiB and two that go deeper count as half of the stack.
        assert!(last(41 << 10, 20 << 10).has_room(true, &small));
        assert!(!last(39 << 10, 20 << 10).has_room(true, &small));
    }

    #[test]
    fn a_refusal_names_the_sends_and_the_stack() {
        let refusal = |nested: Nested, bounds: &Range<usize>| {
            let refused = panic::catch_unwind(|| refuse(nested, bounds));
            let message = refused.expect_err("it panics").downcast::<String>();
            *message.expect("a text")
        };
        let top = STACK.start + (100 << 10);
        let known = sends([top, top - 1_000], &STACK);
        let message = refusal(known, &STACK);
        let expected = "sends are nested 3 deep on this thread, with 101400 bytes of its stack of \
                        2097152 left (";
        assert!(message.starts_with(expected), "{message}");
        let unknown = refusal(sends([9_000, 8_000], &UNKNOWN), &UNKNOWN);
        let expected = "sends are nested 3 deep on this thread, on 1000 bytes of stack (";
        assert!(unknown.starts_with(expected), "{unknown}");
    }
}
