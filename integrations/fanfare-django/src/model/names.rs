//! Models by name: receivers that connect before their model is known.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::mem;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use fanfare::__private::{ReceiverKey, for_sender, senders_beside};
use fanfare::connections::Prepared;
use fanfare::{Connection, Event, Sender, Signal};

use super::{
    BULK_CREATED, BULK_DELETED, BULK_UPDATED, CLASS_PREPARED, ClassPrepared, M2M_CHANGED,
    ModelEvent, POST_DELETE, POST_INIT, POST_SAVE, PRE_DELETE, PRE_INIT, PRE_SAVE,
};

/// An error in a model's name, or in its use.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelNameError {
    /// The name is not of the form "app.Model".
    Malformed(String),
    /// Another entity has been prepared under this name.
    Taken(String),
}

impl fmt::Display for ModelNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModelNameError::Malformed(name) => write!(
                f,
                "invalid model reference '{name}': string model references must be of the form \
                 'app_label.ModelName'"
            ),
            ModelNameError::Taken(name) => write!(
                f,
                "another entity is called '{name}': give one of the two another name"
            ),
        }
    }
}

/// Displays the error, because `unwrap` prints this.
impl fmt::Debug for ModelNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ModelNameError {}

/// Returns `true` if a name is of the form "app.Model": two parts, neither of them empty.
///
/// ```
/// use fanfare_django::model::is_model_name;
///
/// const { assert!(is_model_name("blog.Post")) };
/// assert!(!["", "invalid", "a.b.c", ".Post", "blog."].iter().any(|it| is_model_name(it)));
/// ```
pub const fn is_model_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut dots = 0;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'.' {
            if at == 0 || at + 1 == bytes.len() {
                return false;
            }
            dots += 1;
        }
        at += 1;
    }
    dots == 1
}

/// Returns the key by which models are looked up: the case of the model does not matter, the case
/// of the app does.
fn normal(name: &str) -> Result<String, ModelNameError> {
    match name.split_once('.') {
        Some((app, model)) if is_model_name(name) => Ok(format!("{app}.{}", model.to_lowercase())),
        _ => Err(ModelNameError::Malformed(name.to_owned())),
    }
}

/// The state of one name.
struct Model {
    /// The name as it was first given.
    name: String,
    sender: Option<Sender<'static>>,
    state: State,
    waiting: Vec<Waiting>,
}

#[derive(PartialEq, Eq)]
enum State {
    Unknown,
    /// The model's receivers are being connected, by this thread.
    Preparing(ThreadId),
    Ready,
}

/// A receiver that waits for its model.
struct Waiting {
    /// The address of the signal, a static.
    signal: usize,
    receiver: Option<ReceiverKey>,
    connect: Box<dyn FnOnce(Sender<'static>) -> Connection + Send>,
    handle: Arc<Mutex<Handle>>,
}

enum Handle {
    Waiting,
    Connected(Connection),
    Disconnected,
}

static MODELS: Mutex<BTreeMap<String, Model>> = Mutex::new(BTreeMap::new());
static PREPARED: Condvar = Condvar::new();

fn models() -> MutexGuard<'static, BTreeMap<String, Model>> {
    MODELS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the model `E` its name, and returns `true` if this call did so.
///
/// It sends [`CLASS_PREPARED`], and then connects the receivers that wait for the name, in order.
/// ORMs call it before they send for the model. When it returns, the receivers that waited are
/// connected, whichever thread prepared the model. There is one exception: a call from inside
/// itself, by a receiver of `CLASS_PREPARED`, returns at once.
///
/// Two receivers of `CLASS_PREPARED` that each prepare the other's model, on two threads at once,
/// wait for one another forever.
///
/// # Errors
///
/// Returns an error if the name is malformed, or if another type has it.
///
/// ```
/// use fanfare::Sender;
/// use fanfare_django::model::{self, Context, ModelSignal, POST_SAVE, PostSave};
///
/// struct Post;
///
/// let waiting = POST_SAVE.connect_model("blog.post", |_sender, _event| Ok(()))?;
/// assert_eq!(model::unresolved_models(), ["blog.post"]);
///
/// assert!(model::prepare::<Post>("blog.Post")?);
/// assert!(!model::prepare::<Post>("blog.Post")?);
/// assert!(waiting.connection().unwrap().is_connected());
/// assert!(model::unresolved_models().is_empty());
///
/// let event = PostSave::new(&Post, true, None, Context::default());
/// assert_eq!(POST_SAVE.from(Sender::of::<Post>()).send_until_err(&event).unwrap().len(), 1);
/// # Ok::<(), model::ModelNameError>(())
/// ```
pub fn prepare<E: Any>(name: &str) -> Result<bool, ModelNameError> {
    let key = normal(name)?;
    let sender = Sender::of::<E>();
    let mut all = models();
    loop {
        let model = all.entry(key.clone()).or_insert_with(|| Model::new(name));
        if model.sender.is_some_and(|known| known != sender) {
            return Err(ModelNameError::Taken(name.to_owned()));
        }
        match model.state {
            State::Ready => return Ok(false),
            State::Preparing(thread) if thread == thread::current().id() => return Ok(false),
            State::Preparing(_) => {
                all = PREPARED.wait(all).unwrap_or_else(PoisonError::into_inner);
            }
            State::Unknown => {
                model.sender = Some(sender);
                model.state = State::Preparing(thread::current().id());
                break;
            }
        }
    }
    drop(all);
    // Ends the preparation even if a receiver of the signal panics.
    let finish = Finish { key, sender };
    CLASS_PREPARED.from(sender).send(&ClassPrepared::new(name));
    drop(finish);
    Ok(true)
}

struct Finish {
    key: String,
    sender: Sender<'static>,
}

impl Drop for Finish {
    fn drop(&mut self) {
        loop {
            let mut all = models();
            let Some(model) = all.get_mut(&self.key) else {
                return;
            };
            if model.waiting.is_empty() {
                model.state = State::Ready;
                PREPARED.notify_all();
                return;
            }
            let next = model.waiting.remove(0);
            // A duplicate is dropped by its connect, and its destructor is the user's.
            drop(all);
            next.connect(self.sender);
        }
    }
}

impl Model {
    fn new(name: &str) -> Self {
        Model {
            name: name.to_owned(),
            sender: None,
            state: State::Unknown,
            waiting: Vec::new(),
        }
    }
}

impl Waiting {
    /// Returns `true` if the connect of one makes the connect of the other change nothing.
    fn is_equal(&self, other: &Waiting) -> bool {
        self.signal == other.signal && self.receiver.is_some() && self.receiver == other.receiver
    }

    /// Connects the receiver. Returns `false` if an equal connection was there first.
    fn connect(self, sender: Sender<'static>) -> bool {
        let connection = (self.connect)(sender);
        let is_new = connection.is_new();
        let mut handle = lock(&self.handle);
        match *handle {
            Handle::Waiting => *handle = Handle::Connected(connection),
            // It was disconnected after it was taken from the list.
            _ => {
                drop(handle);
                connection.disconnect();
            }
        }
        is_new
    }
}

fn lock(handle: &Mutex<Handle>) -> MutexGuard<'_, Handle> {
    handle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the names that receivers wait for and that no model has, sorted.
///
/// They may be misspelled, or the names of models that have not been prepared yet.
pub fn unresolved_models() -> Vec<String> {
    let all = models();
    let waited_for = all
        .values()
        .filter(|model| model.state == State::Unknown && !model.waiting.is_empty());
    waited_for.map(|model| model.name.clone()).collect()
}

/// Returns the senders of connected receivers of the model signals that are no [prepared](prepare)
/// model, sorted.
///
/// Such a sender is the struct of a row in the place of its entity, or a name that was given to
/// `options().sender` in the place of [`connect_model`](ModelSignal::connect_model). No event
/// reaches its receivers.
///
/// Call it when every model has been prepared. `prepare_models()` of `fanfare-sea-orm` does so, and
/// returns the senders in its error.
///
/// ```
/// use fanfare::Sender;
/// use fanfare_django::model::{self, POST_SAVE};
///
/// struct Entity;
/// struct Model;
///
/// model::prepare::<Entity>("blog.Draft")?;
/// POST_SAVE.options().sender(Sender::of::<Entity>()).connect(|_sender, _event| Ok(()));
/// POST_SAVE.options().sender(Sender::of::<Model>()).connect(|_sender, _event| Ok(()));
/// POST_SAVE.options().sender("blog.Draft").connect(|_sender, _event| Ok(()));
///
/// let unknown = model::unknown_senders();
/// assert_eq!(unknown[0], "POST_SAVE from \"blog.Draft\"");
/// assert!(unknown[1].starts_with("POST_SAVE from ") && unknown[1].ends_with("::Model"));
/// assert_eq!(unknown.len(), 2);
/// # Ok::<(), model::ModelNameError>(())
/// ```
pub fn unknown_senders() -> Vec<String> {
    let known: Vec<Sender<'static>> = models().values().filter_map(|it| it.sender).collect();
    let mut unknown = BTreeSet::new();
    macro_rules! look_at {
        ($($signal:ident)*) => {
            $(for sender in senders_beside(&$signal, &known) {
                unknown.insert(format!("{} from {sender}", stringify!($signal)));
            })*
        };
    }
    look_at! {
        PRE_INIT POST_INIT PRE_SAVE POST_SAVE PRE_DELETE POST_DELETE M2M_CHANGED
        BULK_CREATED BULK_UPDATED BULK_DELETED CLASS_PREPARED
    }
    unknown.into_iter().collect()
}

/// Methods that connect receivers to a signal by the name of a model, and disconnect them.
///
/// The trait is implemented for the signals whose event is a [`ModelEvent`].
///
/// ```
/// use fanfare_django::model::{ModelSignal, POST_SAVE};
///
/// let waiting = POST_SAVE.connect_model("blog.Note", |_sender, _event| Ok(()))?;
/// assert!(waiting.is_waiting());
/// # Ok::<(), fanfare_django::model::ModelNameError>(())
/// ```
pub trait ModelSignal<E: ModelEvent, R: Send + 'static>: sealed::Sealed {
    /// Connects `receiver` for the model of this name, "app.Model", now or as soon as the model is
    /// prepared (see [`prepare`]).
    ///
    /// The case of the model's name does not matter, and the case of the app does. A receiver that
    /// waits is held strongly. Receivers for one name are connected in the order of these calls.
    ///
    /// # Errors
    ///
    /// Returns an error at once if the name is malformed. A misspelled name waits forever, and
    /// [`unresolved_models`] lists it.
    ///
    /// ```
    /// use fanfare_django::model::{ModelSignal, PRE_SAVE};
    ///
    /// let error = PRE_SAVE.connect_model("invalid", |_sender, _event| Ok(())).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "invalid model reference 'invalid': string model references must be of the form \
    ///      'app_label.ModelName'"
    /// );
    /// ```
    #[track_caller]
    fn connect_model<F>(
        &'static self,
        name: &str,
        receiver: F,
    ) -> Result<ModelConnection, ModelNameError>
    where
        F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static;

    /// Connects as [`connect_model`](ModelSignal::connect_model) does, for a receiver of any kind
    /// and with any options: a priority, a uid, an async or a weak receiver. The model replaces a
    /// sender among the options.
    ///
    /// # Errors
    ///
    /// Returns the errors of `connect_model`.
    ///
    /// ```
    /// use fanfare_django::model::{ModelSignal, POST_SAVE};
    ///
    /// let index = POST_SAVE.options().priority(-1).dispatch_uid("index").prepare(|_sender, _event| Ok(()));
    /// let waiting = POST_SAVE.connect_model_prepared("blog.Article", index)?;
    /// assert!(waiting.is_waiting());
    /// assert!(POST_SAVE.disconnect_model_uid("blog.Article", "index")?);
    /// assert!(!waiting.is_waiting());
    /// # Ok::<(), fanfare_django::model::ModelNameError>(())
    /// ```
    fn connect_model_prepared(
        &'static self,
        name: &str,
        receiver: Prepared<E, R>,
    ) -> Result<ModelConnection, ModelNameError>;

    /// Disconnects a function, or a closure without captures, that was connected for the model of
    /// this name, also while it waits. Returns `false` if it was not connected.
    ///
    /// Django returns `None` here in both cases.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is malformed.
    fn disconnect_model<F>(&'static self, name: &str, receiver: F) -> Result<bool, ModelNameError>
    where
        F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static;

    /// Disconnects the receiver that was connected under `uid` for the model of this name, also
    /// while it waits. Returns `false` if it was not connected.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is malformed.
    fn disconnect_model_uid(&'static self, name: &str, uid: &str) -> Result<bool, ModelNameError>;
}

mod sealed {
    pub trait Sealed {}

    impl<E: fanfare::Event, R: 'static> Sealed for fanfare::Signal<E, R> {}
}

impl<E: ModelEvent, R: Send + 'static> ModelSignal<E, R> for Signal<E, R> {
    #[track_caller]
    fn connect_model<F>(
        &'static self,
        name: &str,
        receiver: F,
    ) -> Result<ModelConnection, ModelNameError>
    where
        F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        self.connect_model_prepared(name, self.options().prepare(receiver))
    }

    fn connect_model_prepared(
        &'static self,
        name: &str,
        receiver: Prepared<E, R>,
    ) -> Result<ModelConnection, ModelNameError> {
        let (connection, _is_new) = declare(self, name, receiver)?;
        Ok(connection)
    }

    fn disconnect_model<F>(&'static self, name: &str, receiver: F) -> Result<bool, ModelNameError>
    where
        F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        const {
            assert!(
                size_of::<F>() == 0,
                "a callable with state cannot be told from others of its type: keep its ModelConnection and disconnect that"
            )
        }
        match forget(self, name, &ReceiverKey::function::<F>())? {
            Forgotten::Model(sender) => Ok(self.disconnect_from(sender, receiver)),
            Forgotten::Waiting(was_there) => Ok(was_there),
        }
    }

    fn disconnect_model_uid(&'static self, name: &str, uid: &str) -> Result<bool, ModelNameError> {
        match forget(self, name, &ReceiverKey::uid(uid))? {
            Forgotten::Model(sender) => Ok(self.disconnect_uid_from(sender, uid)),
            Forgotten::Waiting(was_there) => Ok(was_there),
        }
    }
}

/// Connects a receiver for the model of this name. Also returns `false` if an equal connection was
/// there first.
pub(super) fn declare<E: ModelEvent, R: Send + 'static>(
    signal: &'static Signal<E, R>,
    name: &str,
    receiver: Prepared<E, R>,
) -> Result<(ModelConnection, bool), ModelNameError> {
    let key = normal(name)?;
    let handle = Arc::new(Mutex::new(Handle::Waiting));
    let waiting = Waiting {
        signal: ptr::from_ref(signal).addr(),
        receiver: ReceiverKey::of(&receiver),
        connect: Box::new(move |sender| connect_one(signal, for_sender(receiver, sender))),
        handle: Arc::clone(&handle),
    };
    let mut all = models();
    let model = all.entry(key).or_insert_with(|| Model::new(name));
    let is_new = match (&model.state, model.sender) {
        (State::Ready, Some(sender)) => {
            drop(all);
            waiting.connect(sender)
        }
        _ => {
            let is_there = model.waiting.iter().any(|it| it.is_equal(&waiting));
            model.waiting.push(waiting);
            !is_there
        }
    };
    Ok((ModelConnection(handle), is_new))
}

fn connect_one<E: Event, R: 'static>(
    signal: &'static Signal<E, R>,
    receiver: Prepared<E, R>,
) -> Connection {
    let mut connections = signal.connect_many([receiver]);
    connections.pop().expect("a handle for the receiver")
}

/// Removes the connections of a receiver that wait for the model of this name.
fn forget<E: ModelEvent, R: Send + 'static>(
    signal: &'static Signal<E, R>,
    name: &str,
    receiver: &ReceiverKey,
) -> Result<Forgotten, ModelNameError> {
    let key = normal(name)?;
    let mut all = models();
    let Some(model) = all.get_mut(&key) else {
        return Ok(Forgotten::Waiting(false));
    };
    if let (State::Ready, Some(sender)) = (&model.state, model.sender) {
        return Ok(Forgotten::Model(sender));
    }
    let signal = ptr::from_ref(signal).addr();
    let taken = take_out(&mut model.waiting, |it| {
        it.signal == signal && it.receiver.as_ref() == Some(receiver)
    });
    drop(all);
    for waiting in &taken {
        *lock(&waiting.handle) = Handle::Disconnected;
    }
    Ok(Forgotten::Waiting(!taken.is_empty()))
}

/// Removes the connections for which `is_it` returns `true`, and returns them.
fn take_out(waiting: &mut Vec<Waiting>, is_it: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
    let (taken, left) = mem::take(waiting).into_iter().partition(is_it);
    *waiting = left;
    taken
}

enum Forgotten {
    /// The model is prepared, so the connection exists, if there is one.
    Model(Sender<'static>),
    Waiting(bool),
}

/// A handle to a connection by name. Dropping it has no effect.
#[derive(Clone)]
pub struct ModelConnection(Arc<Mutex<Handle>>);

impl ModelConnection {
    /// Returns `true` if the model has not been prepared yet.
    pub fn is_waiting(&self) -> bool {
        matches!(*lock(&self.0), Handle::Waiting)
    }

    /// Returns the connection, once there is one.
    pub fn connection(&self) -> Option<Connection> {
        match &*lock(&self.0) {
            Handle::Connected(connection) => Some(connection.clone()),
            _ => None,
        }
    }

    /// Disconnects the receiver, or prevents that it is connected. Returns `true` if this call did
    /// so.
    pub fn disconnect(&self) -> bool {
        let was = std::mem::replace(&mut *lock(&self.0), Handle::Disconnected);
        match was {
            Handle::Connected(connection) => connection.disconnect(),
            Handle::Disconnected => false,
            Handle::Waiting => {
                let mut all = models();
                let is_it = |it: &Waiting| Arc::ptr_eq(&it.handle, &self.0);
                let taken: Vec<Waiting> = all
                    .values_mut()
                    .flat_map(|model| take_out(&mut model.waiting, is_it))
                    .collect();
                drop(all);
                drop(taken);
                true
            }
        }
    }
}

impl fmt::Debug for ModelConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*lock(&self.0) {
            Handle::Waiting => "waiting",
            Handle::Connected(_) => "connected",
            Handle::Disconnected => "disconnected",
        };
        f.debug_tuple("ModelConnection").field(&state).finish()
    }
}
