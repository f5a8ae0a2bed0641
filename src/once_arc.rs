//! A cell for an `Arc` that is set once, one pointer wide.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A `OnceLock<Arc<T>>` of one word. A reader loads one word and not two, and has the address of
/// the content without an addition.
pub(crate) struct OnceArc<T> {
    /// The content. It is null, or a pointer of `Arc::into_raw` with the count of this cell.
    content: AtomicPtr<T>,
    owns: PhantomData<Arc<T>>,
}

impl<T> OnceArc<T> {
    pub(crate) const fn new() -> Self {
        OnceArc {
            content: AtomicPtr::new(ptr::null_mut()),
            owns: PhantomData,
        }
    }

    /// Returns the content, if it is set.
    #[inline(always)]
    pub(crate) fn get(&self) -> Option<&T> {
        // Acquire: with the release in `get_or_init`, so that the content is whole. Row O1.
        let content = self.content.load(Ordering::Acquire);
        // SAFETY: it is null or points to the content of an `Arc`, whose count is this cell's until
        // the cell is dropped. A set pointer never changes.
        unsafe { content.as_ref() }
    }

    /// Sets the content unless it is set, and returns it. If two threads do so at the same time,
    /// both may call `make`, and one result is dropped.
    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(content) = self.get() {
            return content;
        }
        let made = Arc::into_raw(Arc::new(make())).cast_mut();
        // Release: the content, to the load in `get`. Relaxed if another thread was first: `get`
        // loads once more. Row O1.
        let set = self.content.compare_exchange(
            ptr::null_mut(),
            made,
            Ordering::Release,
            Ordering::Relaxed,
        );
        if set.is_err() {
            // SAFETY: the pointer is of `Arc::into_raw` above, and no other code has taken its
            // count.
            drop(unsafe { Arc::from_raw(made) });
        }
        self.get().expect("the content is set")
    }

    /// Returns another handle to the content, if it is set.
    pub(crate) fn to_arc(&self) -> Option<Arc<T>> {
        // Acquire: as in `get`. Row O1.
        let content = self.content.load(Ordering::Acquire);
        if content.is_null() {
            return None;
        }
        // SAFETY: the pointer is of `Arc::into_raw`, and this cell has a count, which the `Arc`
        // made of it here does not give back.
        let held = ManuallyDrop::new(unsafe { Arc::from_raw(content) });
        Some(Arc::clone(&held))
    }
}

impl<T> Drop for OnceArc<T> {
    fn drop(&mut self) {
        let content = *self.content.get_mut();
        if !content.is_null() {
            // SAFETY: the pointer is of `Arc::into_raw`, and the count of this cell is given back
            // once, here.
            drop(unsafe { Arc::from_raw(content) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Barrier, Weak};
    use std::thread;

    use super::*;

    struct Counted<'a>(&'a AtomicUsize);

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_first_content_stays_and_is_dropped_once() {
        let drops = AtomicUsize::new(0);
        let cell = OnceArc::new();
        assert!(cell.get().is_none() && cell.to_arc().is_none());
        let first: *const Counted<'_> = cell.get_or_init(|| Counted(&drops));
        assert!(ptr::eq(first, cell.get_or_init(|| unreachable!())));
        let handle = cell.to_arc().unwrap();
        assert_eq!(Arc::strong_count(&handle), 2);
        drop(cell);
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        assert!(ptr::eq(first, &*handle));
        drop(handle);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
        drop(OnceArc::<Counted<'_>>::new());
    }

    #[test]
    fn threads_that_set_at_once_get_one_content() {
        const THREADS: usize = 4;
        for _ in 0..100 {
            let (made, drops) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let cell = OnceArc::new();
            let start = Barrier::new(THREADS);
            let addresses = thread::scope(|scope| {
                let setting: Vec<_> = (0..THREADS)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            let content = cell.get_or_init(|| {
                                made.fetch_add(1, Ordering::Relaxed);
                                Counted(&drops)
                            });
                            ptr::from_ref(content).addr()
                        })
                    })
                    .collect();
                let addresses = setting.into_iter().map(|thread| thread.join().unwrap());
                addresses.collect::<Vec<_>>()
            });
            assert!(addresses.iter().all(|address| *address == addresses[0]));
            let weak: Weak<_> = Arc::downgrade(&cell.to_arc().unwrap());
            drop(cell);
            assert_eq!(weak.strong_count(), 0);
            assert_eq!(drops.into_inner(), made.into_inner());
        }
    }
}
