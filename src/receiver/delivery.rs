//! A receiver and its events, as a queue holds them.

#[cfg(feature = "queue")]
pub(crate) use queued::{Deliver, Observe, Shared};

/// The event that the queued receivers of one send would share.
#[cfg(not(feature = "queue"))]
#[derive(Default)]
pub(crate) struct Shared {}

#[cfg(feature = "queue")]
mod queued {
    use std::any::Any;
    use std::borrow::Cow;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use crate::id::ReceiverId;
    use crate::panic_report;
    #[cfg(feature = "async")]
    use crate::receiver::future::BoxFuture;
    use crate::tap::observer::Described;

    /// A queued receiver, whatever the types of its signal.
    pub(crate) trait Deliver: Send + Sync {
        /// Runs the receiver. It may panic. The worker catches and reports the panic.
        fn deliver(&self, sent: &(dyn Any + Send + Sync));

        /// Returns `true` if the receiver can be driven instead.
        #[cfg(feature = "async")]
        fn is_async(&self) -> bool {
            false
        }

        /// Drives an async receiver, as `deliver` runs a sync one.
        #[cfg(feature = "async")]
        fn drive<'a>(&'a self, _sent: &'a (dyn Any + Send + Sync)) -> BoxFuture<'a, ()> {
            unreachable!("only async receivers are driven")
        }

        fn id(&self) -> ReceiverId;

        fn name(&self) -> Cow<'static, str>;

        /// Returns the receiver as observers see it.
        fn described(&self) -> &dyn Described;
    }

    /// Returns a receiver as a queue holds it while observers see its send.
    pub(crate) type Observe<'a> = dyn Fn(Arc<dyn Deliver>) -> Arc<dyn Deliver> + 'a;

    /// The event that the queued receivers of one send share, once one of them needs it.
    #[derive(Default)]
    pub(crate) struct Shared(Option<Arc<dyn Any + Send + Sync>>);

    impl Shared {
        /// Returns the shared event, which `make` makes for the first receiver.
        pub(crate) fn get_or_make<T: Send + Sync + 'static>(
            &mut self,
            make: impl FnOnce() -> T,
        ) -> Arc<dyn Any + Send + Sync> {
            Arc::clone(self.0.get_or_insert_with(|| Arc::new(make())))
        }
    }

    // The destructor of the event is the user's. Its panic must not reach the sender.
    impl Drop for Shared {
        fn drop(&mut self) {
            let Some(sent) = self.0.take() else { return };
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(sent))) {
                panic_report::event_panicked(payload);
            }
        }
    }
}
