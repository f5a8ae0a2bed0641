//! Awaiting the events of a signal: the next one, or a stream of them.

use std::any::type_name;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Stats;
use super::buffer::{Buffer, Inlet};
use super::kept::Keeps;
use super::line::Overflow;
use super::response::Response;
use crate::connection::connect_options::ConnectOptions;
use crate::connection::handle::Connection;
use crate::connection::target::ConnectTarget;
use crate::event::{Event, OwnedEvent};
use crate::sender::Sender;
use crate::signal::Signal;

/// # Awaiting an event
impl<E: Event, R: 'static> Signal<E, R> {
    /// Connects a receiver for any sender, and returns the future of the next event that is sent.
    ///
    /// The receiver is connected when this is called, and not when the future is polled. So an
    /// event that is sent in between is not lost. [`NextEvent`] describes the future.
    ///
    /// The signal's responses must implement [`Response`], as for receivers on a queue: `()`,
    /// `Option`, or a `Result` that can carry the queue's error.
    ///
    /// For a sender, a name or a priority, use
    /// [`options().next()`](ConnectOptions::next). For an event that borrows, or for one event of
    /// several, use [`options().next_with(..)`](ConnectOptions::next_with).
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    ///
    /// let next = SAVED.next();
    /// SAVED.send(&7);
    /// SAVED.send(&8);
    /// assert_eq!(pollster::block_on(next), Some(7));
    /// assert_eq!(SAVED.receiver_count(), 0);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the signal is [frozen](Signal::freeze).
    #[track_caller]
    pub fn next<K>(&self) -> NextEvent<E>
    where
        NextEvent<E>: Keeps<E, K>,
        E: OwnedEvent + Clone + Send,
        R: Response,
    {
        self.options().next()
    }
}

/// # Awaiting events
impl<E, R, T> ConnectOptions<E, R, T>
where
    E: Event,
    R: 'static,
    T: ConnectTarget<E, R, Connected = Connection>,
{
    /// Connects a receiver, and returns the future of the next event that reaches it. See
    /// [`Signal::next`].
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    ///
    /// let next = SAVED.options().sender("shop.Order").next();
    /// SAVED.send(&7);
    /// SAVED.from("shop.Order").send(&8);
    /// assert_eq!(pollster::block_on(next), Some(8));
    /// ```
    #[track_caller]
    pub fn next<K>(self) -> NextEvent<E>
    where
        NextEvent<E>: Keeps<E, K>,
        E: OwnedEvent + Clone + Send,
        R: Response,
    {
        self.next_with(|_sender, event| Some(event.clone()))
    }

    /// Connects a receiver, and returns the future of the first item that `map` makes of an event.
    ///
    /// `map` runs in the send, on the thread of the sender. The future waits on for events of which
    /// it makes `None`. It is not called any more when it has made an item,
    /// except by sends that run at the same time, whose items are dropped. A panic of `map` is a
    /// panic of the receiver in that send, and the future waits for the next event.
    ///
    /// ```
    /// use fanfare::{Event, Signal};
    ///
    /// struct LineRead<'a> {
    ///     text: &'a str,
    /// }
    /// impl Event for LineRead<'static> {
    ///     type Args<'a> = LineRead<'a>;
    /// }
    ///
    /// static LINE_READ: Signal<LineRead<'static>> = Signal::new();
    ///
    /// let error = LINE_READ
    ///     .options()
    ///     .next_with(|_sender, line| line.text.strip_prefix("error: ").map(String::from));
    /// for text in ["started", "error: no disk", "error: no net"] {
    ///     LINE_READ.send(&LineRead { text });
    /// }
    /// assert_eq!(pollster::block_on(error).unwrap(), "no disk");
    /// ```
    #[track_caller]
    pub fn next_with<I, M>(self, map: M) -> NextEvent<I>
    where
        I: Send + 'static,
        R: Response,
        M: Fn(Sender<'_>, &E::Args<'_>) -> Option<I> + Send + Sync + 'static,
    {
        let name = type_name::<NextEvent<I>>();
        NextEvent(Outlet::connect(self, Buffer::for_one(), map, name))
    }

    /// Connects a receiver, and returns a stream of clones of the events that reach it, with room
    /// for `capacity` events. [`EventStream`] describes the stream.
    ///
    /// # Panics
    ///
    /// Panics if `capacity` is 0, and if `overflow` is [`Overflow::Block`], because a sender on the
    /// consumer's thread would wait for itself. For senders that wait, connect an async receiver to
    /// a [`Queue`](crate::Queue). Panics if the signal is [frozen](Signal::freeze).
    ///
    /// ```
    /// use fanfare::Signal;
    /// use fanfare::queue::Overflow;
    ///
    /// static MOVED: Signal<u32> = Signal::new();
    ///
    /// let mut positions = MOVED.options().stream(2, Overflow::DropOldest);
    /// for position in 1..=3 {
    ///     MOVED.send(&position);
    /// }
    /// positions.close();
    /// pollster::block_on(async {
    ///     assert_eq!(positions.next().await, Some(2));
    ///     assert_eq!(positions.next().await, Some(3));
    ///     assert_eq!(positions.next().await, None);
    /// });
    /// assert_eq!(positions.dropped(), 1);
    /// ```
    #[track_caller]
    pub fn stream<K>(self, capacity: usize, overflow: Overflow) -> EventStream<E>
    where
        EventStream<E>: Keeps<E, K>,
        E: OwnedEvent + Clone + Send,
        R: Response,
    {
        self.stream_with(capacity, overflow, |_sender, event| Some(event.clone()))
    }

    /// Connects a receiver, and returns a stream of the items that `map` makes of the events.
    ///
    /// `map` runs in the send, on the thread of the sender, also if the item is then dropped by the
    /// overflow policy. The stream does not get the events of which it makes `None`, and does not
    /// count them. A panic of `map` is a panic of the receiver in that send. Everything else is as
    /// for [`stream`](ConnectOptions::stream).
    ///
    /// ```
    /// use fanfare::Signal;
    /// use fanfare::queue::Overflow;
    ///
    /// static SAID: Signal<&'static str> = Signal::new();
    ///
    /// let mut lengths = SAID
    ///     .options()
    ///     .stream_with(16, Overflow::Reject, |_sender, text| Some(text.len()));
    /// let text = String::from("borrowed for one send");
    /// SAID.send(&&*text);
    /// assert_eq!(pollster::block_on(lengths.next()), Some(21));
    /// ```
    #[track_caller]
    pub fn stream_with<I, M>(self, capacity: usize, overflow: Overflow, map: M) -> EventStream<I>
    where
        I: Send + 'static,
        R: Response,
        M: Fn(Sender<'_>, &E::Args<'_>) -> Option<I> + Send + Sync + 'static,
    {
        assert!(
            capacity > 0,
            "a stream of capacity 0 has no room for any event: give it 1 or more"
        );
        assert!(
            overflow != Overflow::Block,
            "a stream does not block its senders, because its consumer may be on a sender's thread: \
             give it `Overflow::Reject`, `DropNewest` or `DropOldest`, or connect an async receiver \
             to a queue"
        );
        let name = type_name::<EventStream<I>>();
        EventStream(Outlet::connect(
            self,
            Buffer::new(capacity, overflow),
            map,
            name,
        ))
    }
}

/// The consumer's end of a buffer, and the connection of the receiver at the other end.
struct Outlet<T> {
    buffer: Arc<Buffer<T>>,
    connection: Connection,
}

impl<T: Send + 'static> Outlet<T> {
    #[track_caller]
    fn connect<E, R, P, M>(
        options: ConnectOptions<E, R, P>,
        buffer: Buffer<T>,
        map: M,
        type_name: &'static str,
    ) -> Self
    where
        E: Event,
        R: Response + 'static,
        P: ConnectTarget<E, R, Connected = Connection>,
        M: Fn(Sender<'_>, &E::Args<'_>) -> Option<T> + Send + Sync + 'static,
    {
        let buffer = Arc::new(buffer);
        let connection = options.connect_callee(Inlet {
            buffer: Arc::clone(&buffer),
            map,
            type_name,
        });
        Outlet { buffer, connection }
    }
}

impl<T> Outlet<T> {
    /// Disconnects the receiver. A frozen signal keeps it, and a duplicate was never connected.
    fn disconnect(&self) {
        if self.connection.is_new() {
            let _ = self.connection.try_disconnect();
        }
    }

    fn close(&self) {
        // A frozen signal keeps the receiver, which closes the buffer otherwise.
        self.disconnect();
        self.buffer.close();
    }
}

impl<T> Drop for Outlet<T> {
    fn drop(&mut self) {
        // They are dropped last, because a panic of their destructors leaves this function.
        let _inside = self.buffer.clear();
        self.disconnect();
    }
}

/// The future of the next event of a signal: see [`Signal::next`].
///
/// Its output is `None` if no event can come: the signal was dropped, or the receiver was
/// disconnected. See "The end" at [`EventStream`].
///
/// **Cancel safety.** The future gets the first event after the connect, however often and by
/// whichever task it is polled. Dropping it disconnects the receiver, and drops an event that it
/// has got and not returned. To wait again after a timeout without losing events in between, keep
/// the future, or use a stream.
///
/// **Cost.** One connect and one disconnect: a few microseconds. The receiver stays connected until
/// the future has returned the event or is dropped, and costs later sends a lock and a check. For
/// each event of a signal, use a stream.
///
/// ```
/// use fanfare::Signal;
/// use std::time::Duration;
/// use tokio::time::timeout;
///
/// static SAVED: Signal<u32> = Signal::new();
///
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
/// runtime.block_on(async {
///     let mut next = SAVED.next();
///     assert!(timeout(Duration::from_millis(1), &mut next).await.is_err());
///     SAVED.send(&7);
///     assert_eq!(next.await, Some(7));
/// });
/// # std::io::Result::Ok(())
/// ```
#[must_use = "the receiver is disconnected when the future is dropped"]
pub struct NextEvent<T>(Outlet<T>);

impl<T> NextEvent<T> {
    /// Returns the handle of the receiver.
    pub fn connection(&self) -> &Connection {
        &self.0.connection
    }
}

impl<T> Future for NextEvent<T> {
    type Output = Option<T>;

    /// Returns the event and disconnects the receiver. Polls after that return `None`.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let polled = self.0.buffer.poll_take(cx);
        if polled.is_ready() {
            self.0.disconnect();
        }
        polled
    }
}

impl<T> fmt::Debug for NextEvent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextEvent")
            .field("connection", &self.0.connection)
            .finish_non_exhaustive()
    }
}

/// A stream of the events of a signal, for one async consumer. Made by
/// [`ConnectOptions::stream`] and [`ConnectOptions::stream_with`].
///
/// A send puts the event into the stream and goes on. The stream belongs to no executor and has no
/// thread.
///
/// **Order.** The events come in the order in which they were sent, as for a
/// [`Queue`](crate::Queue) with one worker. Sends that run at the same time have no order.
///
/// **Room.** The stream keeps `capacity` events at most. Its [`Overflow`] policy decides about an
/// event for which there is no room. With `Reject` the receiver's response is
/// [`Error::Full`](crate::queue::Error::Full), if the [`Response`] can carry it. It names the
/// receiver where it would name the queue.
///
/// **The end.** The stream ends when its receiver is dropped, or when it is
/// [closed](EventStream::close). Events that are inside are returned first. A receiver is dropped
/// with its signal, when it has run as often as [`max_calls`](ConnectOptions::max_calls) allows,
/// and when it is disconnected, also by [`disconnect_all`](Signal::disconnect_all). If a send or an
/// idle [`Emitter`](crate::Emitter) holds the receiver at the disconnect, a later change of the
/// signal drops it, or [`purge`](Signal::purge), or
/// [`disconnect_and_wait`](Connection::disconnect_and_wait) of its
/// [`connection`](EventStream::connection). A stream whose `dispatch_uid` was connected before it
/// has ended from the start. A signal that is frozen after the connect keeps the receiver. When its
/// stream has been closed or dropped, the receiver ignores events.
///
/// **Cancel safety.** An event leaves the stream only when a poll returns it. So the futures of
/// [`next`](EventStream::next) can be dropped at any time, and no event is lost. Dropping the
/// stream disconnects the receiver and drops the events inside.
///
/// **Progress.** A send takes a lock of the stream twice, for some instructions each, and so waits
/// for other sends to the same stream and for its consumer. No user code runs under the lock: the
/// event is cloned or mapped before, and the consumer is woken and dropped events are destroyed
/// after. The room grows with the number of events inside, which allocates under the lock.
///
/// **`fork`.** In a child of `fork`, a stream that was made before has ended, and its receiver
/// refuses events with [`Error::Forked`](crate::queue::Error::Forked).
///
/// The type does not name the trait `Stream` of the crate `futures-core`, which has its own
/// versions. These two lines make a `Stream` of it:
///
/// ```
/// use fanfare::Signal;
/// use fanfare::queue::Overflow;
/// use futures_util::stream::{self, StreamExt};
///
/// static SAVED: Signal<u32> = Signal::new();
///
/// let mut events = SAVED.options().stream(16, Overflow::Reject);
/// let stream = stream::poll_fn(move |cx| events.poll_next(cx));
///
/// SAVED.send(&1);
/// SAVED.send(&2);
/// let two = pollster::block_on(stream.take(2).collect::<Vec<u32>>());
/// assert_eq!(two, [1, 2]);
/// ```
#[must_use = "the receiver is disconnected when the stream is dropped"]
pub struct EventStream<T>(Outlet<T>);

impl<T> EventStream<T> {
    /// Returns the next event as soon as there is one, or `None` if the stream has ended.
    ///
    /// Cancel safe: a future that is dropped has taken no event.
    pub async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Returns the next event or `None` if the stream has ended, or else keeps the waker of `cx`.
    ///
    /// Only the waker of the last poll is woken. Polls after the end return `None`.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.buffer.poll_take(cx)
    }

    /// Returns the next event, or `None` if none is inside now.
    ///
    /// ```
    /// use fanfare::Signal;
    /// use fanfare::queue::Overflow;
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    ///
    /// let mut events = SAVED.options().stream(16, Overflow::Reject);
    /// assert_eq!(events.try_next(), None);
    /// SAVED.send(&7);
    /// assert_eq!(events.try_next(), Some(7));
    /// assert!(!events.is_closed());
    /// ```
    pub fn try_next(&mut self) -> Option<T> {
        self.0.buffer.try_take()
    }

    /// Disconnects the receiver and accepts no more events. The events that are inside can still be
    /// taken out.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// Returns `true` if no more events will come in. Some may be inside.
    pub fn is_closed(&self) -> bool {
        self.0.buffer.is_closed()
    }

    /// Returns the counters, all of one moment.
    ///
    /// `delivered` counts the events that the consumer has taken out. `panicked`, `undelivered` and
    /// `running` are 0.
    pub fn stats(&self) -> Stats {
        self.0.buffer.stats()
    }

    /// Returns the number of events that the overflow policy dropped: [`Stats::dropped`].
    pub fn dropped(&self) -> u64 {
        self.stats().dropped
    }

    /// Returns the number of events that were refused: [`Stats::rejected`].
    pub fn rejected(&self) -> u64 {
        self.stats().rejected
    }

    /// Returns the handle of the receiver.
    pub fn connection(&self) -> &Connection {
        &self.0.connection
    }
}

impl<T> fmt::Debug for EventStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("connection", &self.0.connection)
            .field("is_closed", &self.is_closed())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
