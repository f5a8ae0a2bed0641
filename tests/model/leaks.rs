//! Counts the bytes that a thread has allocated and not freed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// Returns the bytes that this thread holds, or has given away.
pub(crate) fn held() -> isize {
    HELD.get()
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

fn count(bytes: usize, sign: isize) {
    let bytes = sign * isize::try_from(bytes).expect("a layout fits an isize");
    HELD.set(HELD.get() + bytes);
}

// SAFETY: the system's allocator does the work; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: as above, and every block is the system's.
        unsafe { System.dealloc(block, layout) }
    }
}
