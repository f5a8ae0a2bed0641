//! The allocations of a send over a pool beside those of rayon.
//!
//! The allocator counts for the whole process, so there is one test.
#![cfg(feature = "rayon")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare::Signal;
use rayon::ThreadPoolBuilder;

const SENDS: usize = 3;

#[test]
fn a_parallel_send_allocates_for_responses_and_long_lists_alone() {
    let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    for receivers in [1, 2, 16, 64, 65, 1_000_u64] {
        let units = Signal::<u64>::new();
        let numbers = Signal::<u64, u64>::new();
        for n in 0..receivers {
            units.connect(move |_, event| touch(n + event));
            numbers.connect(move |_, event| n + event);
        }
        let list = usize::from(receivers > 64);
        let gathered = if receivers == 1 { 2 } else { 3 };
        pool.install(|| {
            let made = allocations(|| {
                assert_eq!(units.send_parallel(&1).len() as u64, receivers);
            });
            assert_eq!(made, list * SENDS, "{receivers} receivers");
            let made = allocations(|| {
                assert!(units.send_parallel_robust(&1).all_ok());
            });
            assert_eq!(made, list * SENDS, "{receivers} receivers, robust");
            let made = allocations(|| {
                drop(black_box(numbers.send_parallel(&1)));
            });
            assert_eq!(
                made,
                (list + gathered) * SENDS,
                "{receivers} receivers with responses"
            );
        });
    }
}

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

fn touch(number: u64) {
    black_box(number);
}

/// Returns the number of allocations of some calls of `send` on any thread: the least of some
/// rounds, because rayon itself allocates now and then.
fn allocations(send: impl Fn()) -> usize {
    let rounds = (0..10).map(|_| {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        (0..SENDS).for_each(|_| send());
        ALLOCATIONS.load(Ordering::Relaxed) - before
    });
    rounds.min().expect("there are rounds")
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

// SAFETY: every call is handed on to `System` as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is the one `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the one `System` asks for.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is the one `System` asks for.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
