//! Models by name: receivers that connect before their model is known.

use std::any::Any;
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::thread;

use fanfare::__private::{ConnectionKey, Prepared, senders_beside, with_target};
use fanfare::connections::ConnectTarget;
use fanfare::{ConnectOptions, Event, Sender, Signal};

use super::waiting::{
    Declaration, Finish, Forgotten, Model, ModelConnection, Refused, State, Who, declare, forget,
    models, wait_for_preparation,
};
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
    /// The model is prepared. Receivers that waited for it were not connected, because their signal
    /// was [frozen](Signal::freeze) in the meantime.
    #[non_exhaustive]
    Frozen {
        /// The name of the model.
        name: String,
        /// The number of the receivers that were not connected.
        receivers: usize,
        /// The place of the freeze, for the first of them.
        at: &'static Location<'static>,
    },
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
            ModelNameError::Frozen {
                name,
                receivers: 1,
                at,
            } => write!(
                f,
                "a receiver that waited for '{name}' was not connected because its signal was \
                 frozen at {at}: prepare the model before `freeze`"
            ),
            ModelNameError::Frozen {
                name,
                receivers,
                at,
            } => write!(
                f,
                "{receivers} receivers that waited for '{name}' were not connected because their \
                 signals were frozen, the first at {at}: prepare the model before `freeze`"
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
/// Prepare the models before you [freeze](Signal::freeze) a signal that has receivers by name. A
/// frozen signal refuses receivers that still wait.
///
/// # Errors
///
/// Returns an error if the name is malformed, or if another type has it.
///
/// Returns [`ModelNameError::Frozen`] if the signal of a receiver that waited is frozen. The model
/// is prepared all the same, every other receiver is connected, and later calls return `false`. If
/// a receiver of `CLASS_PREPARED` panics, the next call returns this error.
///
/// # Panics
///
/// Panics of the receivers of `CLASS_PREPARED` travel. The model is prepared all the same.
///
/// ```
/// use fanfare::Sender;
/// use fanfare_django::model::{self, Context, ModelSignal, POST_SAVE, PostSave};
///
/// struct Post;
///
/// let waiting = POST_SAVE.model("blog.post").connect(|_sender, _event| Ok(()))?;
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
            State::Ready => return refuse(model.refused.take(), name).map(|()| false),
            State::Preparing(thread) if thread == thread::current().id() => return Ok(false),
            State::Preparing(_) => all = wait_for_preparation(all),
            State::Unknown => {
                model.sender = Some(sender);
                model.state = State::Preparing(thread::current().id());
                break;
            }
        }
    }
    drop(all);
    // Ends the preparation even if a receiver of the signal panics.
    let finish = Finish::new(key, sender);
    CLASS_PREPARED.from(sender).send(&ClassPrepared::new(name));
    refuse(finish.end(), name).map(|()| true)
}

/// Returns the error for the receivers of a model that were not connected, if there are any.
fn refuse(refused: Option<Refused>, name: &str) -> Result<(), ModelNameError> {
    match refused {
        None => Ok(()),
        Some(Refused { receivers, at }) => Err(ModelNameError::Frozen {
            name: name.to_owned(),
            receivers,
            at,
        }),
    }
}

/// Returns the names that receivers wait for and that no model has, sorted.
///
/// They may be misspelled, or the names of models that have not been prepared yet.
pub fn unresolved_models() -> Vec<String> {
    let all = models();
    let waited_for = all
        .values()
        .filter(|model| model.state == State::Unknown && model.is_waited_for());
    waited_for.map(|model| model.name.clone()).collect()
}

/// Returns the senders of connected receivers of the model signals that are no [prepared](prepare)
/// model, sorted.
///
/// Such a sender is the struct of a row in the place of its entity, or a name that was given to
/// `options().sender` in the place of [`model`](ModelSignal::model). No event
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

/// Connects receivers to a signal by the name of a model, and disconnects them.
///
/// The trait is implemented for the signals whose event is a [`ModelEvent`].
pub trait ModelSignal<E: ModelEvent, R: Send + 'static>: sealed::Sealed {
    /// Starts a connect or a disconnect for the model of this name, "app.Model".
    ///
    /// These methods of the options can follow:
    ///
    /// * a priority, a uid, a name, a limit of calls and the other wishes of a receiver. The model
    ///   replaces a [`sender`](ConnectOptions::sender) among them.
    /// * `connect`, `connect_weak`, and the connects of async and queued receivers and of receivers
    ///   that take slices.
    /// * `disconnect`, `disconnect_weak` and `disconnect_uid`.
    ///
    /// The options of a signal also offer [`try_connect`](ConnectOptions::try_connect),
    /// [`disconnect_everywhere`](ConnectOptions::disconnect_everywhere) and
    /// [`disconnect_uid_everywhere`](ConnectOptions::disconnect_uid_everywhere), which do not
    /// compile here.
    ///
    /// A receiver is connected at once, or as soon as the model is prepared (see [`prepare`]). A
    /// connect returns a [`ModelConnection`]. A receiver that waits is held strongly. Receivers for
    /// one name are connected in the order of these calls. A receiver that waits already is left as
    /// it is, and the second connect returns a handle to it. A disconnect also takes out a receiver
    /// that waits, and returns `false` if the receiver was not connected. Django returns `None` in
    /// both cases.
    ///
    /// The case of the model's name does not matter, and the case of the app does.
    ///
    /// # Errors
    ///
    /// The connect or the disconnect returns [`ModelNameError::Malformed`] if the name is
    /// malformed. A misspelled name waits forever, and [`unresolved_models`] lists it.
    ///
    /// # Panics
    ///
    /// The connect panics if the signal is [frozen](Signal::freeze), also for a model that is not
    /// known yet. The disconnect panics if the signal is frozen and the model is known, even if
    /// there is no receiver to disconnect. A signal that is frozen while receivers wait refuses
    /// them, and [`prepare`] reports them.
    ///
    /// ```
    /// use fanfare_django::model::{ModelSignal, POST_SAVE, PRE_SAVE};
    ///
    /// let note = POST_SAVE.model("blog.Note").connect(|_sender, _event| Ok(()))?;
    /// assert!(note.is_waiting());
    ///
    /// let index = POST_SAVE.model("blog.Article").priority(-1).dispatch_uid("index");
    /// let waiting = index.connect(|_sender, _event| Ok(()))?;
    /// assert!(POST_SAVE.model("blog.Article").disconnect_uid("index")?);
    /// assert!(!waiting.is_waiting());
    ///
    /// let error = PRE_SAVE.model("invalid").connect(|_sender, _event| Ok(())).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "invalid model reference 'invalid': string model references must be of the form \
    ///      'app_label.ModelName'"
    /// );
    /// # Ok::<(), fanfare_django::model::ModelNameError>(())
    /// ```
    fn model<'n>(&'static self, name: &'n str) -> ConnectOptions<E, R, NamedModel<'n, E, R>>;
}

mod sealed {
    pub trait Sealed {}

    impl<E: fanfare::Event, R: 'static> Sealed for fanfare::Signal<E, R> {}
}

impl<E: ModelEvent, R: Send + 'static> ModelSignal<E, R> for Signal<E, R> {
    fn model<'n>(&'static self, name: &'n str) -> ConnectOptions<E, R, NamedModel<'n, E, R>> {
        with_target(self.options(), |signal| NamedModel { signal, name })
    }
}

/// A model of a signal by its name, as the options of [`ModelSignal::model`] have it.
pub struct NamedModel<'n, E: Event, R: 'static> {
    pub(super) signal: &'static Signal<E, R>,
    pub(super) name: &'n str,
}

impl<E: ModelEvent, R: Send + 'static> ConnectTarget<E, R> for NamedModel<'_, E, R> {
    type Connected = Result<ModelConnection, ModelNameError>;
    type Disconnected = Result<bool, ModelNameError>;

    fn connect(self, receiver: Prepared<E, R>) -> Result<ModelConnection, ModelNameError> {
        self.declare(receiver)
    }

    fn disconnect(self, receiver: ConnectionKey) -> Result<bool, ModelNameError> {
        let key = normal(self.name)?;
        let who = Who::new(self.signal, Some(receiver.identity()));
        let Forgotten { waited, sender } = forget(&key, &who);
        let Some(sender) = sender else {
            return Ok(waited);
        };
        let was_connected = ConnectTarget::disconnect(self.signal, receiver.for_sender(sender));
        Ok(waited | was_connected)
    }
}

impl<E: ModelEvent, R: Send + 'static> NamedModel<'_, E, R> {
    /// Connects a receiver, now or as soon as the model is prepared.
    #[track_caller]
    pub(super) fn declare(
        self,
        receiver: Prepared<E, R>,
    ) -> Result<ModelConnection, ModelNameError> {
        let NamedModel { signal, name } = self;
        let key = normal(name)?;
        if let Some(at) = signal.frozen_at() {
            panic!(
                "a receiver for the model '{name}' was not connected because the signal was frozen \
                 at {at}: connect it before `freeze`"
            );
        }
        match declare(signal, key, name, receiver) {
            Declaration::Waits(connection) => Ok(connection),
            Declaration::Ready {
                key,
                sender,
                receiver,
            } => {
                let connection = ConnectTarget::connect(signal, receiver.for_sender(sender));
                Ok(ModelConnection::connected(key, connection))
            }
        }
    }
}
