//! The bounds of the calling thread's stack.

use std::cell::Cell;
use std::ops::Range;

thread_local! {
    /// The addresses of the stack. The range is empty if the system does not report them.
    static BOUNDS: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

/// Returns the addresses of this thread's stack, lowest first. The range is empty if the system
/// does not report them. Only the first call on a thread makes the request to the system.
///
/// A thread may run on another stack for a while, as coroutines do: then the range does not
/// contain the address of a local variable.
pub(crate) fn bounds() -> Range<usize> {
    let (lowest, end) = BOUNDS.get().unwrap_or_else(|| {
        let bounds = ask();
        BOUNDS.set(Some(bounds));
        bounds
    });
    lowest..end
}

/// Requests the bounds from the system. For the main thread, the system reads the memory map of the
/// process.
#[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
fn ask() -> (usize, usize) {
    use std::mem::MaybeUninit;
    use std::ptr;

    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: the function takes no argument.
    let thread = unsafe { libc::pthread_self() };
    // SAFETY: the thread is the running one, and the pointer is to a place for its attributes.
    if unsafe { libc::pthread_getattr_np(thread, attributes.as_mut_ptr()) } != 0 {
        return (0, 0);
    }
    let mut lowest = ptr::null_mut();
    let mut size = 0;
    // SAFETY: `pthread_getattr_np` has succeeded, so the attributes are initialized. The other
    // pointers are to local variables of the types that the function writes.
    let read = unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &mut lowest, &mut size) };
    // SAFETY: as above, the attributes are initialized, and this is their last use.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    if read != 0 {
        return (0, 0);
    }
    (lowest.addr(), lowest.addr() + size)
}

/// Returns an empty range. The other systems have no such call, or one that does not report how far
/// the stack of the main thread can grow. Miri does not have one either.
#[cfg(not(all(target_os = "linux", target_env = "gnu", not(miri))))]
fn ask() -> (usize, usize) {
    (0, 0)
}

#[cfg(all(test, target_os = "linux", target_env = "gnu", not(miri)))]
mod tests {
    use super::*;
    use std::{ptr, thread};

    /// Returns the address of a local variable of this function.
    #[inline(never)]
    fn here() -> usize {
        let local = 0_u8;
        ptr::from_ref(std::hint::black_box(&local)).addr()
    }

    #[test]
    fn the_bounds_contain_the_locals_of_their_thread_and_no_others() {
        let ours = bounds();
        assert!(ours.contains(&here()), "of the thread of this test");
        for size in [64 << 10, 512 << 10, 16 << 20] {
            let thread = thread::Builder::new().stack_size(size);
            let (theirs, theirs_here, again) = thread
                .spawn(|| (bounds(), here(), bounds()))
                .unwrap()
                .join()
                .unwrap();
            assert!(theirs.contains(&theirs_here));
            assert!(!theirs.contains(&here()) && !ours.contains(&theirs_here));
            assert_eq!(theirs, again);
            // The system may hand out a larger stack, of a thread that has ended.
            assert!(theirs.len() >= size, "{theirs:?}");
        }
    }
}
