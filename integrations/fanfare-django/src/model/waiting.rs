//! The receivers that wait for their models, and the handles to them.
//!
//! Two locks are held together in one order: the lock of the models, or the one of a signal's
//! writer, and then that of a handle. No code of the user runs under any of them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::mem;
use std::panic::Location;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use fanfare::__private::{Prepared, ReceiverIdentity, try_connect_prepared};
use fanfare::error::DisconnectError;
use fanfare::{Connection, Event, Sender, Signal};

type Place = &'static Location<'static>;

/// The state of one name.
pub(super) struct Model {
    /// The name as it was first given.
    pub(super) name: String,
    pub(super) sender: Option<Sender<'static>>,
    pub(super) state: State,
    /// The receivers that were not connected, until they are reported.
    pub(super) refused: Option<Refused>,
    waiting: VecDeque<Waiting>,
    /// The receivers that this preparation has taken out of `waiting`. They stay here until it
    /// ends, so that a connect and a disconnect find them.
    begun: Vec<Known>,
}

#[derive(PartialEq, Eq)]
pub(super) enum State {
    Unknown,
    /// The model's receivers are being connected, by this thread.
    Preparing(ThreadId),
    Ready,
}

/// The receivers of a model whose signals were frozen while they waited.
pub(super) struct Refused {
    pub(super) receivers: usize,
    /// The place of the freeze, for the first of them.
    pub(super) at: Place,
}

/// A receiver of a signal, without its sender.
#[derive(Clone)]
pub(super) struct Who {
    /// The address of the signal, a static.
    signal: usize,
    /// It is `None` for a receiver that is equal to no other.
    receiver: Option<ReceiverIdentity>,
}

/// A receiver and its handle.
struct Known {
    who: Who,
    handle: Arc<Handle>,
}

/// A receiver that waits for its model.
struct Waiting {
    known: Known,
    connect: Connect,
}

/// Connects the receiver of a handle, unless it was disconnected while it waited. It returns the
/// place of the freeze if the signal is frozen.
type Connect = Box<dyn FnOnce(Sender<'static>, &Handle) -> Result<(), Place> + Send>;

/// The state that the handles to one receiver share.
struct Handle {
    /// The key of the model in `MODELS`.
    key: String,
    stage: Mutex<Stage>,
}

enum Stage {
    Waiting,
    Connected(Connection),
    /// It was disconnected while it waited.
    Disconnected,
    /// The signal was frozen while the receiver waited.
    Refused(Place),
}

static MODELS: Mutex<BTreeMap<String, Model>> = Mutex::new(BTreeMap::new());
static PREPARED: Condvar = Condvar::new();

type Models = MutexGuard<'static, BTreeMap<String, Model>>;

pub(super) fn models() -> Models {
    MODELS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until a preparation ends, of whatever model.
pub(super) fn wait_for_preparation(all: Models) -> Models {
    PREPARED.wait(all).unwrap_or_else(PoisonError::into_inner)
}

/// The end of a preparation: its drop connects the receivers that wait, and never panics.
pub(super) struct Finish {
    key: String,
    sender: Sender<'static>,
    /// `true` once the preparation has ended.
    has_ended: bool,
}

impl Finish {
    pub(super) fn new(key: String, sender: Sender<'static>) -> Self {
        Finish {
            key,
            sender,
            has_ended: false,
        }
    }

    /// Ends the preparation. Returns the receivers that were not connected, of which no other call
    /// then gets an error.
    pub(super) fn end(mut self) -> Option<Refused> {
        self.connect_waiting(|model| model.refused.take())
    }

    /// Connects the receivers that wait, and ends the preparation. `last` looks at the model then.
    fn connect_waiting<O>(&mut self, last: impl FnOnce(&mut Model) -> Option<O>) -> Option<O> {
        self.has_ended = true;
        loop {
            let mut all = models();
            let model = all.get_mut(&self.key)?;
            let Some(Waiting { known, connect }) = model.waiting.pop_front() else {
                let begun = model.end();
                let looked = last(model);
                PREPARED.notify_all();
                drop(all);
                drop(begun);
                return looked;
            };
            let handle = Arc::clone(&known.handle);
            model.begun.push(known);
            // A duplicate is dropped by its connect, and its destructor is the user's.
            drop(all);
            if let Err(at) = connect(self.sender, &handle) {
                handle.refuse(at);
            }
        }
    }
}

impl Drop for Finish {
    /// Ends the preparation if a receiver of `CLASS_PREPARED` has panicked.
    fn drop(&mut self) {
        if !self.has_ended {
            self.connect_waiting(|_model| None::<()>);
        }
    }
}

impl Model {
    pub(super) fn new(name: &str) -> Self {
        Model {
            name: name.to_owned(),
            sender: None,
            state: State::Unknown,
            refused: None,
            waiting: VecDeque::new(),
            begun: Vec::new(),
        }
    }

    /// Returns `true` if receivers wait.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Ends the preparation. Returns the receivers that it has begun to connect.
    fn end(&mut self) -> Vec<Known> {
        let begun = mem::take(&mut self.begun);
        for known in &begun {
            if let Stage::Refused(at) = *known.handle.stage() {
                let refused = Refused { receivers: 0, at };
                self.refused.get_or_insert(refused).receivers += 1;
            }
        }
        self.state = State::Ready;
        begun
    }

    /// Returns the handle of a receiver that makes a connect of `who` a duplicate, unless it has
    /// been disconnected through its signal.
    fn first(&self, who: &Who) -> Option<Arc<Handle>> {
        let waiting = self.waiting.iter().map(|it| &it.known);
        let mut all = waiting.chain(&self.begun);
        let first = all.find(|it| it.who.is_equal(who) && it.handle.is_in());
        first.map(|it| Arc::clone(&it.handle))
    }
}

impl Who {
    pub(super) fn new<E: Event, R: 'static>(
        signal: &'static Signal<E, R>,
        receiver: Option<ReceiverIdentity>,
    ) -> Self {
        Who {
            signal: ptr::from_ref(signal).addr(),
            receiver,
        }
    }

    /// Returns `true` if the connect of one makes the connect of the other change nothing.
    fn is_equal(&self, other: &Who) -> bool {
        self.signal == other.signal && self.receiver.is_some() && self.receiver == other.receiver
    }
}

impl Handle {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns `true` if the receiver waits, or if it has been connected.
    fn is_in(&self) -> bool {
        matches!(*self.stage(), Stage::Waiting | Stage::Connected(_))
    }

    fn is_waiting(&self) -> bool {
        matches!(*self.stage(), Stage::Waiting)
    }

    fn connection(&self) -> Option<Connection> {
        match &*self.stage() {
            Stage::Connected(connection) => Some(connection.clone()),
            _ => None,
        }
    }

    /// Notes that the signal was frozen, for a receiver that waited until then.
    fn refuse(&self, at: Place) {
        let mut stage = self.stage();
        if let Stage::Waiting = *stage {
            *stage = Stage::Refused(at);
        }
    }

    /// Ends the wait. Returns `false` if the receiver did not wait.
    fn end_wait(&self) -> bool {
        let mut stage = self.stage();
        let waited = matches!(*stage, Stage::Waiting);
        if waited {
            *stage = Stage::Disconnected;
        }
        waited
    }
}

/// The result of [`declare`].
pub(super) enum Declaration<E: Event, R: 'static> {
    /// The receiver waits, or an equal one does or has just been connected.
    Waits(ModelConnection),
    /// The model is prepared: the receiver is to be connected for its sender.
    Ready {
        key: String,
        sender: Sender<'static>,
        receiver: Prepared<E, R>,
    },
}

/// Adds a receiver to those that wait for the model with this key, unless an equal one waits.
pub(super) fn declare<E: Event, R: Send + 'static>(
    signal: &'static Signal<E, R>,
    key: String,
    name: &str,
    receiver: Prepared<E, R>,
) -> Declaration<E, R> {
    let who = Who::new(signal, receiver.identity());
    loop {
        let mut all = models();
        let model = all.entry(key.clone()).or_insert_with(|| Model::new(name));
        if let (State::Ready, Some(sender)) = (&model.state, model.sender) {
            return Declaration::Ready {
                key,
                sender,
                receiver,
            };
        }
        let Some(first) = model.first(&who) else {
            let handle = Arc::new(Handle {
                key,
                stage: Mutex::new(Stage::Waiting),
            });
            let known = Known {
                who,
                handle: Arc::clone(&handle),
            };
            let connect = connect_of(signal, receiver);
            model.waiting.push_back(Waiting { known, connect });
            return Declaration::Waits(ModelConnection {
                handle,
                is_new: true,
            });
        };
        // The check of a connection, and the drop of the new receiver, can run a destructor of the
        // user's.
        drop(all);
        if first.connection().is_none_or(|it| it.is_connected()) {
            return Declaration::Waits(ModelConnection {
                handle: first,
                is_new: false,
            });
        }
        // It has been disconnected through its signal since it was connected.
        if let Some(model) = models().get_mut(&key) {
            model.begun.retain(|it| !Arc::ptr_eq(&it.handle, &first));
        }
    }
}

fn connect_of<E: Event, R: Send + 'static>(
    signal: &'static Signal<E, R>,
    receiver: Prepared<E, R>,
) -> Connect {
    Box::new(move |sender, handle| {
        try_connect_prepared(signal, receiver.for_sender(sender), |connect| {
            let mut stage = handle.stage();
            if let Stage::Waiting = *stage {
                // A disconnect of this handle on another thread comes before this, so that the
                // receiver is not connected, or it waits for the lock of the signal.
                *stage = Stage::Connected(connect());
            }
        })
    })
}

/// The result of [`forget`].
pub(super) struct Forgotten {
    /// It is `true` if the receiver waited.
    pub(super) waited: bool,
    /// The sender of the model, if the receiver may be connected for it.
    pub(super) sender: Option<Sender<'static>>,
}

/// Removes a receiver from those that wait for the model with this key.
pub(super) fn forget(key: &str, who: &Who) -> Forgotten {
    let mut all = models();
    let Some(model) = all.get_mut(key) else {
        return Forgotten {
            waited: false,
            sender: None,
        };
    };
    let sender = model.sender;
    let (taken, left) = mem::take(&mut model.waiting)
        .into_iter()
        .partition::<Vec<_>, _>(|it| it.known.who.is_equal(who));
    model.waiting = left.into();
    let mut waited = false;
    let waiting = taken.iter().map(|it| &it.known);
    let begun = model.begun.iter().filter(|it| it.who.is_equal(who));
    for known in waiting.chain(begun) {
        waited |= known.handle.end_wait();
    }
    drop(all);
    drop(taken);
    Forgotten { waited, sender }
}

/// A handle to a connection by name. Dropping it has no effect.
///
/// If the same receiver waits already, a connect returns another handle to it, as a second connect
/// to a signal does. Each of the handles ends the one connection.
///
/// ```
/// use fanfare::Sender;
/// use fanfare_django::model::{self, ModelSignal, POST_SAVE, PostSave, ReceiverResult};
///
/// fn index(_sender: Sender<'_>, _event: &PostSave<'_>) -> ReceiverResult {
///     Ok(())
/// }
///
/// struct Page;
///
/// let first = POST_SAVE.model("site.Page").connect(index)?;
/// let second = POST_SAVE.model("site.Page").connect(index)?;
/// assert!(first.is_new() && !second.is_new());
/// assert!(second.disconnect());
/// assert!(!first.disconnect());
///
/// model::prepare::<Page>("site.Page")?;
/// assert!(!POST_SAVE.from(Sender::of::<Page>()).has_listeners());
/// # Ok::<(), model::ModelNameError>(())
/// ```
#[derive(Clone)]
pub struct ModelConnection {
    handle: Arc<Handle>,
    is_new: bool,
}

impl ModelConnection {
    /// Returns the handle of a receiver that was connected at once.
    pub(super) fn connected(key: String, connection: Connection) -> Self {
        ModelConnection {
            is_new: connection.is_new(),
            handle: Arc::new(Handle {
                key,
                stage: Mutex::new(Stage::Connected(connection)),
            }),
        }
    }

    /// Returns `true` if the connect that returned this handle made the connection, or added the
    /// receiver to those that wait. Otherwise the handle is for the connection, or the waiting
    /// receiver, that was there first.
    ///
    /// It also returns `false` if the receiver waited, and then an equal one turned out to be
    /// connected for the entity.
    pub fn is_new(&self) -> bool {
        self.is_new && self.connection().is_none_or(|it| it.is_new())
    }

    /// Returns `true` if the receiver waits for its model.
    pub fn is_waiting(&self) -> bool {
        self.handle.is_waiting()
    }

    /// Returns the connection, once there is one. It may have been disconnected since.
    pub fn connection(&self) -> Option<Connection> {
        self.handle.connection()
    }

    /// Disconnects the receiver, or prevents that it is connected. Returns `true` if this call did
    /// so.
    ///
    /// A handle that is not [new](ModelConnection::is_new) ends the connection that was there
    /// first. See [`Connection::disconnect`].
    ///
    /// # Panics
    ///
    /// Panics if the receiver is connected and its signal is [frozen](Signal::freeze). A receiver
    /// that waits can be disconnected from a frozen signal.
    #[track_caller]
    pub fn disconnect(&self) -> bool {
        if self.stop_waiting() {
            return true;
        }
        match self.connection() {
            Some(connection) => connection.disconnect(),
            None => false,
        }
    }

    /// Disconnects the receiver, or prevents that it is connected, unless its signal is
    /// [frozen](Signal::freeze). Returns `true` if this call did so.
    ///
    /// # Errors
    ///
    /// Returns [`DisconnectError::Frozen`] if the receiver is connected to a frozen signal. The
    /// receiver stays connected.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    /// use fanfare_django::model::{self, ModelSignal, PostSave};
    ///
    /// static SAVED: Signal<PostSave<'static>> = Signal::new();
    /// struct Stamp;
    ///
    /// model::prepare::<Stamp>("site.Stamp")?;
    /// let connection = SAVED.model("site.Stamp").connect(|_sender, _event| ())?;
    /// SAVED.freeze();
    /// assert!(connection.try_disconnect().is_err());
    /// assert!(connection.connection().unwrap().is_connected());
    /// # Ok::<(), model::ModelNameError>(())
    /// ```
    pub fn try_disconnect(&self) -> Result<bool, DisconnectError> {
        if self.stop_waiting() {
            return Ok(true);
        }
        match self.connection() {
            Some(connection) => connection.try_disconnect(),
            None => Ok(false),
        }
    }

    /// Takes a receiver that waits out. Returns `false` if it did not wait.
    pub(super) fn stop_waiting(&self) -> bool {
        if !self.handle.end_wait() {
            return false;
        }
        let mut all = models();
        let taken = all.get_mut(&self.handle.key).and_then(|model| {
            let mut waiting = model.waiting.iter();
            let at = waiting.position(|it| Arc::ptr_eq(&it.known.handle, &self.handle))?;
            model.waiting.remove(at)
        });
        drop(all);
        // The destructor of the receiver is the user's.
        drop(taken);
        true
    }
}

impl fmt::Debug for ModelConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A look at the receiver may drop it, and its destructor is the user's.
        let is_connected = self.connection().is_some_and(|it| it.is_connected());
        let state = match &*self.handle.stage() {
            Stage::Waiting => "waiting",
            Stage::Connected(_) if is_connected => "connected",
            Stage::Connected(_) | Stage::Disconnected => "disconnected",
            Stage::Refused(_) => "refused",
        };
        f.debug_tuple("ModelConnection").field(&state).finish()
    }
}
