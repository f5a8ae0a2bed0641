//! Connecting receivers that take slices of events.

use super::callee::Slices;
use crate::connection::connect_options::{ConnectOptions, Prepared};
use crate::connection::handle::Connection;
use crate::event::Event;
use crate::sender::Sender;
use crate::signal::Signal;

/// # Connecting receivers of batches
impl<E: Event, R: 'static> Signal<E, R> {
    /// Connects a `receiver` that takes events by the slice, for any sender, in addition to the
    /// receivers that are connected.
    ///
    /// [`send_batch`](Signal::send_batch) calls it once, with all events. Any other way of sending
    /// calls it with a slice of the one event.
    ///
    /// Otherwise it works like [`connect`](Signal::connect). To disconnect it, keep the
    /// [`Connection`] or give it a [`dispatch_uid`](ConnectOptions::dispatch_uid).
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static LINE: Signal<&'static str, usize> = Signal::new();
    /// LINE.connect_batch(|_sender, lines| lines.iter().map(|line| line.len()).sum());
    ///
    /// let text = String::from("one\nthree");
    /// let lines: Vec<&str> = text.lines().collect();
    /// assert_eq!(*LINE.send_batch(&lines), [8]);
    /// assert_eq!(*LINE.send(&lines[1]), [5]);
    /// ```
    #[track_caller]
    pub fn connect_batch<F>(&self, receiver: F) -> Connection
    where
        F: Fn(Sender<'_>, &[E::Args<'_>]) -> R + Send + Sync + 'static,
    {
        self.connect_one(self.options().prepare_batch(receiver))
    }
}

/// # Receivers of batches
impl<E: Event, R: 'static> ConnectOptions<'_, E, R> {
    /// Connects a `receiver` that takes events by the slice. See
    /// [`Signal::connect_batch`].
    #[track_caller]
    pub fn connect_batch<F>(self, receiver: F) -> Connection
    where
        F: Fn(Sender<'_>, &[E::Args<'_>]) -> R + Send + Sync + 'static,
    {
        let signal = self.signal();
        signal.connect_one(self.prepare_batch(receiver))
    }

    /// Prepares a receiver that takes events by the slice. See
    /// [`prepare`](ConnectOptions::prepare).
    #[track_caller]
    pub fn prepare_batch<F>(self, receiver: F) -> Prepared<E, R>
    where
        F: Fn(Sender<'_>, &[E::Args<'_>]) -> R + Send + Sync + 'static,
    {
        self.slot(Slices(receiver))
    }
}
