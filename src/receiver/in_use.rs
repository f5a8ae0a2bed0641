//! The entry of a signal among the signals in use.

use std::sync::{Arc, OnceLock};

use crate::tap::observer::SignalInfo;
use crate::tap::signals;

/// The properties of a signal, from its first use on. Their drop is that of the signal, which then
/// leaves the signals in use.
#[derive(Default)]
pub(crate) struct SignalCell(OnceLock<Arc<SignalInfo>>);

impl SignalCell {
    /// Returns the properties, if the signal has been used.
    #[inline]
    pub(crate) fn get(&self) -> Option<&Arc<SignalInfo>> {
        self.0.get()
    }

    /// Sets the properties unless they are set, and returns them. Another thread that does so
    /// waits.
    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> Arc<SignalInfo>) -> &Arc<SignalInfo> {
        self.0.get_or_init(make)
    }
}

impl Drop for SignalCell {
    fn drop(&mut self) {
        if let Some(info) = self.0.get() {
            signals::unregister(info.number());
        }
    }
}
