//! An observer, and the things that it sees.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::OnceLock;
use std::time::Duration;

#[cfg(feature = "tracing")]
use tracing::Span;

use super::cause::{Cause, SendId};
use super::context::Context;
use super::declaration::Declaration;
use super::durable::stored_cause::ObservedDelivery;
use super::info::ConnectionInfo;
use super::ways::{Outcome, SendWay};
use crate::id::ReceiverId;
use crate::sender::Sender;

/// A type that sees the sends of signals, and the changes of their receivers.
///
/// Each method has an empty body, so write only those that you need.
/// [`watch::all`](crate::watch::all) and [`watch::signal`](crate::watch::signal) attach an
/// observer.
///
/// The methods run on the thread on which the step happens, between the receivers. A slow method
/// slows that send. The others run at the same time on other threads.
///
/// # Faults of an observer
///
/// A panic of a method is caught and reported, as the panic of a receiver in a robust send is, and
/// the observer stays attached. So is a panic of its destructor. Sends that an observer makes are
/// not observed, so that it cannot call itself without end. Receivers of such a send that run on
/// another thread make sends that are observed again. An observer may connect, disconnect, attach
/// and detach, itself too. It must not [wait](crate::Connection::disconnect_and_wait) for the end
/// of the receiver that it is shown.
///
/// # The steps of a send
///
/// For each call of `send_started` there is one call of `send_ended`, also if a receiver panics or
/// the future of the send is dropped. The same is true of `receiver_started` and `receiver_ended`.
/// The receivers of one async send overlap. In a batch, a receiver starts once for all events that
/// it gets in a row. A receiver on a queue starts on another thread, often after the end of its
/// send and sometimes before the `receiver_queued`, or its event is discarded without a start. The
/// events of a stream have neither a start nor a discard.
///
/// Each attempt of a durable receiver is shown as a send of its own, with
/// [`SendWay::Durable`] and one receiver.
pub trait Observer: Send + Sync + 'static {
    /// A send has started. It has taken its snapshot, and no receiver has run.
    fn send_started(&self, send: &ObservedSend<'_>) {
        let _ = send;
    }

    /// A send has ended, or was dropped.
    fn send_ended(&self, send: &ObservedSend<'_>, end: &SendEnd) {
        let _ = (send, end);
    }

    /// A receiver starts.
    fn receiver_started(&self, send: &ObservedSend<'_>, receiver: &ObservedReceiver<'_>) {
        let _ = (send, receiver);
    }

    /// A receiver has ended.
    fn receiver_ended(
        &self,
        send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
        end: &ReceiverEnd,
    ) {
        let _ = (send, receiver, end);
    }

    /// The event of a send was given to the queue of a receiver. `accepted` is `false` if the queue
    /// refused it. The receiver then does not run.
    fn receiver_queued(
        &self,
        send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
        accepted: bool,
    ) {
        let _ = (send, receiver, accepted);
    }

    /// An event that a queue had accepted will not reach its receiver: the queue was full and
    /// dropped it, or was shut down.
    fn event_discarded(&self, send: &ObservedSend<'_>, receiver: &ObservedReceiver<'_>) {
        let _ = (send, receiver);
    }

    /// A receiver with a [budget](crate::ConnectOptions::budget) has run longer than that. Called
    /// before `receiver_ended`. [`Context::current`](crate::watch::Context::current) is that of the
    /// thread on which it ended, so the cause of the send is [`ObservedSend::cause`].
    fn over_budget(
        &self,
        send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
        duration: Duration,
    ) {
        let _ = (send, receiver, duration);
    }

    /// A receiver was connected or disconnected, or was taken out because it had died or had run as
    /// often as it may. The method runs after the change. So two changes that threads make at the
    /// same time may come in any order.
    fn receiver_changed(
        &self,
        signal: &SignalInfo,
        receiver: &ObservedReceiver<'_>,
        change: ReceiverChange,
    ) {
        let _ = (signal, receiver, change);
    }

    /// Returns `true` if the observer reads [`ReceiverEnd::duration`]. Two looks at the clock for
    /// each receiver, about 25 ns each, are spared if no observer does. It is asked once, when the
    /// observer is attached.
    fn wants_durations(&self) -> bool {
        true
    }

    /// Returns `true` if the observer needs contexts to be carried along, also by sends of
    /// observers.
    #[doc(hidden)]
    fn carries_scopes(&self) -> bool {
        false
    }

    /// Returns the maker of spans that the observer is. Such an observer has no other method. It is
    /// asked once, when the observer is attached.
    #[cfg(feature = "tracing")]
    #[doc(hidden)]
    fn make_spans(&self) -> Option<&dyn MakeSpans> {
        None
    }
}

/// An observer that makes spans, which the send keeps.
#[cfg(feature = "tracing")]
pub trait MakeSpans {
    /// Returns the span of a send, or `None` if the send and its receivers have no spans.
    fn send_span(&self, send: &ObservedSend<'_>) -> Option<Span>;

    /// Returns the span of a receiver of the send whose span is `send`.
    fn receiver_span(&self, receiver: &ObservedReceiver<'_>, send: &Span) -> Span;

    /// Returns the span of a receiver that runs on a queue. `span` is that of the send.
    fn queued_span(
        &self,
        receiver: &ObservedReceiver<'_>,
        send: &ObservedSend<'_>,
        span: &Span,
    ) -> Span;
}

/// A send that is observed.
#[derive(Clone, Copy)]
pub struct ObservedSend<'a> {
    pub(crate) id: SendId,
    /// The context in which the send was made.
    pub(crate) context: &'a Context,
    pub(crate) signal: &'a SignalInfo,
    pub(crate) sender: Sender<'a>,
    pub(crate) way: SendWay,
}

impl<'a> ObservedSend<'a> {
    /// Returns the number of the send.
    pub fn id(&self) -> SendId {
        self.id
    }

    /// Returns the receiver that caused the send, or `None` if it was made outside of receivers
    /// that are observed.
    pub fn cause(&self) -> Option<Cause> {
        self.context.cause
    }

    /// Returns the first send of the chain of causes, which is this one if it has no cause.
    pub fn root(&self) -> SendId {
        self.cause().map_or(self.id, |cause| cause.root)
    }

    /// Returns the signal.
    pub fn signal(&self) -> &'a SignalInfo {
        self.signal
    }

    /// Returns the sender, which is [`Sender::NONE`] for a send without one.
    pub fn sender(&self) -> Sender<'a> {
        self.sender
    }

    /// Returns the way in which the receivers run.
    pub fn way(&self) -> SendWay {
        self.way
    }

    /// Returns the context in which `receiver` runs.
    #[inline]
    pub(crate) fn context_of(&self, receiver: ReceiverId) -> Context {
        Context {
            cause: Some(self.cause_of(receiver)),
            scope: self.context.scope.clone(),
        }
    }

    /// Returns the cause of what `receiver` does.
    #[inline]
    pub(crate) fn cause_of(&self, receiver: ReceiverId) -> Cause {
        Cause {
            send: self.id,
            root: self.root(),
            receiver,
        }
    }
}

impl fmt::Debug for ObservedSend<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedSend")
            .field("id", &self.id)
            .field("cause", &self.cause())
            .field("signal", &self.signal.name())
            .field("sender", &self.sender)
            .field("way", &self.way)
            .finish()
    }
}

/// The end of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendEnd {
    /// The number of receivers that were called or started, or whose queue got the event.
    pub reached: usize,
    /// The number of receivers that were left out because they were [muted](crate::mute). It
    /// includes those behind a receiver that ended the send.
    pub muted: usize,
    /// `true` if the send ended by a panic, or if its future was dropped before its end.
    pub cut_off: bool,
}

/// A receiver that is observed.
#[derive(Clone, Copy)]
pub struct ObservedReceiver<'a>(pub(crate) &'a dyn Described);

/// The properties of a receiver that an observer sees, whatever the types of its signal.
pub(crate) trait Described: Send + Sync {
    fn id(&self) -> ReceiverId;
    fn name(&self) -> Cow<'static, str>;
    fn location(&self) -> &'static Location<'static>;
    fn sender_in_words(&self) -> Option<String>;
    fn tags(&self) -> &[Cow<'static, str>];

    /// Returns the time that the receiver may take, if it has a limit.
    fn budget(&self) -> Option<Duration>;

    /// Returns the connection as a look shows it.
    fn info(&self) -> ConnectionInfo;

    /// Returns the attempt, if it is a durable receiver that gets a stored event.
    fn delivery(&self) -> Option<ObservedDelivery<'_>> {
        None
    }
}

impl<'a> ObservedReceiver<'a> {
    /// Returns the attempt, if it is a durable receiver that gets a stored event: see
    /// [`SendWay::Durable`].
    pub fn delivery(&self) -> Option<ObservedDelivery<'a>> {
        self.0.delivery()
    }

    /// Returns the id of the receiver.
    pub fn id(&self) -> ReceiverId {
        self.0.id()
    }

    /// Returns the name that was given to the receiver, or the name of its type.
    pub fn name(&self) -> Cow<'static, str> {
        self.0.name()
    }

    /// Returns the place in the source where the receiver was connected.
    pub fn location(&self) -> &'static Location<'static> {
        self.0.location()
    }

    /// Returns the [budget](crate::ConnectOptions::budget) of the receiver.
    pub fn budget(&self) -> Option<Duration> {
        self.0.budget()
    }

    /// Returns the sender that the receiver was connected for, in words, or `None` for any sender.
    /// Allocates.
    pub fn sender(&self) -> Option<String> {
        self.0.sender_in_words()
    }

    /// Returns the tags that were given to the receiver.
    pub fn tags(&self) -> &[Cow<'static, str>] {
        self.0.tags()
    }
}

impl fmt::Debug for ObservedReceiver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedReceiver")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("location", &format_args!("{}", self.location()))
            .finish()
    }
}

/// The end of a receiver's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiverEnd {
    /// The way in which it ended.
    pub outcome: Outcome,
    /// The time from its start to its end, with the pauses of an async receiver. It is `None` if no
    /// observer [wants](Observer::wants_durations) it.
    pub duration: Option<Duration>,
}

/// A change of the receivers of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReceiverChange {
    /// The receiver was connected.
    Connected,
    /// The receiver was disconnected.
    Disconnected,
    /// The receiver was taken out, because the target of its method had died.
    Died,
    /// The receiver was taken out, because it had run as often as it may.
    UsedUp,
}

/// A signal that is observed.
#[derive(Debug)]
pub struct SignalInfo {
    pub(crate) number: u64,
    pub(crate) event: &'static str,
    pub(crate) response: &'static str,
    /// The declaration of the signal, if `signals!` declares it.
    pub(crate) declaration: Option<&'static Declaration>,
    /// The place of the first connect.
    pub(crate) first_connect: OnceLock<&'static Location<'static>>,
}

impl SignalInfo {
    /// Returns the number of the signal, which no other signal of the process has or had.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the module and the name of the static, if [`signals!`](crate::signals) declares the
    /// signal. Otherwise, returns the name of the type of its events.
    pub fn name(&self) -> &str {
        self.declaration.map_or(self.event, |it| it.name)
    }

    /// Returns the file and the line of the declaration, if [`signals!`](crate::signals) declares
    /// the signal. Otherwise, returns those of its first connect, or `None` before that.
    pub fn place(&self) -> Option<(&'static str, u32)> {
        match self.declaration {
            Some(declaration) => Some((declaration.file, declaration.line)),
            None => {
                let first = self.first_connect.get()?;
                Some((first.file(), first.line()))
            }
        }
    }

    /// Returns the name of the type of its events.
    pub fn event_type(&self) -> &'static str {
        self.event
    }

    /// Returns the name of the type of its responses.
    pub fn response_type(&self) -> &'static str {
        self.response
    }
}
