//! The mark of a thread that runs a part of an async send.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::event::Event;
use crate::nesting::{Polling, Running};
use crate::receiver::Hub;

/// The mark of a thread in which user code of an async send runs, until this is dropped.
pub(super) struct Mark {
    _running: Running,
    _polling: Polling,
}

impl Mark {
    pub(super) fn of<H>(hub: *const H) -> Self {
        Mark {
            _running: Running::send(hub),
            _polling: Polling::start(),
        }
    }
}

/// The hub of an async send, which counts the suspended futures of the send.
pub(super) trait Suspends {
    fn count_suspended(&self);
    fn count_ended(&self);
}

impl<E: Event, R: 'static> Suspends for Hub<E, R> {
    fn count_suspended(&self) {
        Hub::count_suspended(self);
    }

    fn count_ended(&self) {
        Hub::count_ended(self);
    }
}

pin_project! {
    /// A part of an async send that marks its thread whenever it runs there.
    pub(super) struct Marked<'h, H, F>
    where
        H: Suspends,
    {
        hub: &'h H,
        // `true` if it is counted as suspended.
        is_counted: bool,
        #[pin]
        part: Option<F>,
    }

    impl<H, F> PinnedDrop for Marked<'_, H, F>
    where
        H: Suspends,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if *this.is_counted {
                this.hub.count_ended();
            }
            if this.part.is_some() {
                let _running = Running::unchecked(*this.hub);
                this.part.set(None);
            }
        }
    }
}

impl<'h, H: Suspends, F> Marked<'h, H, F> {
    pub(super) fn new(hub: &'h H, part: F) -> Self {
        Marked {
            hub,
            is_counted: false,
            part: Some(part),
        }
    }
}

impl<H: Suspends, F: Future> Future for Marked<'_, H, F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _mark = Mark::of(*this.hub);
        let part = this.part.as_mut().as_pin_mut();
        let Poll::Ready(output) = part.expect("a send was polled after its end").poll(cx) else {
            if !*this.is_counted {
                *this.is_counted = true;
                this.hub.count_suspended();
            }
            return Poll::Pending;
        };
        // The rest of the part is dropped while the thread is still marked.
        this.part.set(None);
        Poll::Ready(output)
    }
}
