//! The signals of a model and of its instances.
//!
//! This crate sends only [`CLASS_PREPARED`]. `fanfare-sea-orm` sends the others, for SeaORM.
//! Another ORM makes the events with their public constructors and sends them itself.
//!
//! The sender is the entity and not the row's struct: `Sender::of::<user::Entity>()`. Receivers
//! connect for the entity, for any sender, or by the model's name. A name can be connected before
//! the entity is known, with [`ModelSignal::model`] or with `sender = "app.Model"` in
//! `#[receiver]`.
//!
//! A name or the type of a row in `options().sender(..)` compiles, and no event reaches the
//! receiver. [`unknown_senders`] lists such mistakes, and `fanfare_sea_orm::prepare_models` returns
//! them as an error. `#[receiver]` refuses a type that is no [`ModelSender`].
//!
//! ```
//! use fanfare::Sender;
//! use fanfare_django::model::{Context, POST_SAVE, PRE_SAVE, PostSave, PreSave, ReceiverResult};
//!
//! struct User {
//!     name: String,
//! }
//!
//! fn tidy(_sender: Sender<'_>, event: &PreSave<'_>) -> ReceiverResult {
//!     let mut user = event.instance::<User>().ok_or("not a user")?;
//!     user.name = user.name.trim().to_owned();
//!     if user.name.is_empty() { Err("a user needs a name".into()) } else { Ok(()) }
//! }
//!
//! PRE_SAVE.options().sender(Sender::of::<User>()).connect(tidy);
//!
//! // What an ORM does:
//! let mut user = User { name: String::from(" Ada ") };
//! let event = PreSave::new(&mut user, true, None, Context::default());
//! PRE_SAVE.from(Sender::of::<User>()).send_until_err(&event)?;
//! assert_eq!(user.name, "Ada");
//!
//! let event = PostSave::new(&user, true, None, Context::default());
//! POST_SAVE.from(Sender::of::<User>()).send_until_err(&event)?;
//!
//! user.name.clear();
//! let event = PreSave::new(&mut user, false, Some(&["name"]), Context::default());
//! let refused = PRE_SAVE.from(Sender::of::<User>()).send_until_err(&event).unwrap_err();
//! assert_eq!(refused.error.to_string(), "a user needs a name");
//! # Ok::<(), fanfare::error::ReceiverError<(), Box<dyn std::error::Error + Send + Sync>>>(())
//! ```
//!
//! # Receivers that fail
//!
//! In Django an exception of a receiver ends the save or the delete. Here a receiver of those
//! signals returns [`ReceiverResult`], a `Result`. The first `Err` ends the operation, later
//! receivers do not run, and the caller gets the error. Before the operation an `Err` is a veto.
//! After the operation the row is written, and only a surrounding transaction undoes it. A panic
//! unwinds out of the operation.
//!
//! # Changing an instance
//!
//! [`PreSave::instance`] and [`PreInit::instance`] lend the instance to one receiver at a time,
//! which may change it. In all other events the receivers share it.

mod context;
#[doc(hidden)]
pub(crate) mod declared;
mod instance;
mod many;
mod names;
mod primary_key;
mod save;
mod signals;
mod waiting;

pub use super::ReceiverResult;
pub use context::Context;
pub use instance::InstanceMut;
pub use many::{Bulk, M2mAction, M2mChanged};
pub use names::{
    ModelNameError, ModelSignal, NamedModel, is_model_name, prepare, unknown_senders,
    unresolved_models,
};
pub use primary_key::PrimaryKey;
pub use save::{ClassPrepared, Delete, PostInit, PostSave, PreInit, PreSave};
#[doc(hidden)]
pub use signals::Models;
pub use signals::{
    BULK_CREATED, BULK_DELETED, BULK_UPDATED, CLASS_PREPARED, M2M_CHANGED, ModelEvent, ModelSender,
    POST_DELETE, POST_INIT, POST_SAVE, PRE_DELETE, PRE_INIT, PRE_SAVE,
};
pub use waiting::ModelConnection;

/// Makes an event of your own the event of a model signal.
///
/// Receivers then connect by the name of a model, with [`ModelSignal`] or `#[receiver]`.
///
/// ```
/// use fanfare::{Event, Sender, Signal};
/// use fanfare_django::model::{self, ModelSignal};
///
/// struct Archived;
///
/// impl Event for Archived {
///     type Args<'a> = Archived;
/// }
///
/// fanfare_django::model_event!(Archived);
///
/// static ARCHIVED: Signal<Archived, u8> = Signal::new();
/// struct Page;
///
/// ARCHIVED.model("wiki.Page").connect(|_sender, _event| 1)?;
/// model::prepare::<Page>("wiki.Page")?;
/// assert_eq!(*ARCHIVED.from(Sender::of::<Page>()).send(&Archived), [1]);
/// # Ok::<(), model::ModelNameError>(())
/// ```
#[macro_export]
macro_rules! model_event {
    ($event:ty) => {
        impl $crate::model::ModelEvent for $event {}

        impl $crate::__private::DeclaresSenders for $event {
            type Senders = $crate::__private::Models;
        }
    };
}
