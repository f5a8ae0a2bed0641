//! Connecting receivers that take slices of events.

use super::callee::Slices;
use crate::connection::connect_options::ConnectOptions;
use crate::connection::target::ConnectTarget;
use crate::event::Event;
use crate::sender::Sender;

/// # Receivers of batches
impl<E: Event, R: 'static, T: ConnectTarget<E, R>> ConnectOptions<E, R, T> {
    /// Connects a `receiver` that takes events by the slice.
    ///
    /// [`Signal::send_batch`](crate::Signal::send_batch) calls it once, with all events. Any other
    /// way of sending calls it with a slice of the one event. Otherwise it works like
    /// [`connect`](ConnectOptions::connect).
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static LINE: Signal<&'static str, usize> = Signal::new();
    /// LINE.options().connect_batch(|_sender, lines| lines.iter().map(|line| line.len()).sum());
    ///
    /// let text = String::from("one\nthree");
    /// let lines: Vec<&str> = text.lines().collect();
    /// assert_eq!(*LINE.send_batch(&lines), [8]);
    /// assert_eq!(*LINE.send(&lines[1]), [5]);
    /// ```
    #[track_caller]
    pub fn connect_batch<F>(self, receiver: F) -> T::Connected
    where
        F: Fn(Sender<'_>, &[E::Args<'_>]) -> R + Send + Sync + 'static,
    {
        self.connect_callee(Slices(receiver))
    }
}
