//! The life of a model's instances.
//!
//! This crate sends none of these. `fanfare-sea-orm` does, for SeaORM; another ORM makes the events
//! with their public constructors and sends them itself. The sender is the entity and not the row's
//! struct: `Sender::of::<user::Entity>()`. Receivers connect for it, for any sender, or by the model's name,
//! also before the entity is known: with [`ModelSignal::connect_model`], or with `sender = "app.Model"` in
//! `#[receiver]`. A name or the type of a row in `options().sender(..)` compiles, and no event reaches the
//! receiver: [`unknown_senders`] lists such mistakes, and `fanfare_sea_orm::prepare_models` returns them as an
//! error. `#[receiver]` refuses a type that is no [`ModelSender`].
//!
//! ```
//! use fanfare::Sender;
//! use fanfare_django::model::{Answer, Context, POST_SAVE, PRE_SAVE, PostSave, PreSave};
//!
//! struct User {
//!     name: String,
//! }
//!
//! fn tidy(_sender: Sender<'_>, event: &PreSave<'_>) -> Answer {
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
//! # Ok::<(), fanfare::ReceiverError<(), Box<dyn std::error::Error + Send + Sync>>>(())
//! ```
//!
//! # Receivers that fail
//!
//! In Django an exception of a receiver ends the save or the delete. Here a receiver of those
//! signals answers [`Answer`], a `Result`: the first `Err` ends the operation, later receivers do not run,
//! and the caller gets the error. Before the operation that is a veto. After it the row is written:
//! only a surrounding transaction undoes it. A panic travels out of the operation.
//!
//! # What changes an instance
//!
//! [`PreSave::instance`] and [`PreInit::instance`] lend the instance to one receiver at a time, to
//! be changed. All others share it.

use std::any::Any;

use fanfare::__private::DeclaresSenders;
use fanfare::Signal;

mod context;
#[doc(hidden)]
pub(crate) mod declared;
mod instance;
mod many;
mod names;
mod primary_key;
mod save;

use declared::Models;

pub use super::Answer;
pub use context::Context;
pub use instance::InstanceMut;
pub use many::{Bulk, M2mAction, M2mChanged};
pub use names::{
    ModelConnection, ModelNameError, ModelSignal, is_model_name, prepare, unknown_senders,
    unresolved_models,
};
pub use primary_key::PrimaryKey;
pub use save::{ClassPrepared, Delete, PostInit, PostSave, PreInit, PreSave};

/// A model has been given its name, and can be sent for.
///
/// Sent by [`prepare`], once for each model, before receivers that wait for the name are connected,
/// as in Django. `fanfare-sea-orm` prepares an entity at its first signal, or all at
/// `prepare_models()`; Django does so when the class is defined. It is sent with
/// [`send`](Signal::send): an async receiver makes the entity's first operation panic on an executor's
/// thread.
///
/// Sender: the entity.
pub static CLASS_PREPARED: Signal<ClassPrepared<'static>> = Signal::new();

/// An instance is about to be made.
///
/// Sent by `fanfare-sea-orm` with [`send`](Signal::send) (it cannot await there) for each row read
/// as an `Inited<Model>`, and by `Inited::new`. Django sends it for every instance, which its own
/// developers call an expensive mistake; here it is asked for, query by query. Async receivers make
/// the send panic on an executor's thread: connect others.
///
/// Sender: the entity. Django passes `args` and `kwargs`; here [`PreInit::instance`] lends the
/// values.
pub static PRE_INIT: Signal<PreInit<'static>> = Signal::new();

/// An instance has been made. Sent where [`PRE_INIT`] is, after it.
pub static POST_INIT: Signal<PostInit<'static>> = Signal::new();

/// A row is about to be inserted or updated.
///
/// Sent by `fanfare-sea-orm` from `before_save`: `insert`, `update`, `save`, and each row of a
/// nested save. Not for bulk operations. An `Err` refuses the save.
///
/// Django's `instance`, `raw`, `using` and `update_fields` are here. `created` is as well, for
/// SeaORM is told whether to insert.
pub static PRE_SAVE: Signal<PreSave<'static>, Answer> = Signal::new();

/// A row has been inserted or updated; a surrounding transaction is not committed yet (see
/// [`PostSave::after_commit`]).
///
/// A receiver that saves an instance of the same model hears of that too, again and again: in a debug
/// build the stack ends it after some forty levels, and by then autocommit has written each. As in
/// Django it needs a way out, such as a question that the second save answers differently:
///
/// ```
/// # use fanfare_django::model::PostSave;
/// # fn is_its_own(event: &PostSave<'_>) -> bool {
/// event.update_fields() == Some(&["slug"][..])
/// # }
/// ```
///
/// The event of the second save reaches the other receivers when each of them has begun with the first.
/// Only an async receiver that awaits something before it uses its event may get the newer row first; then
/// save in `fanfare_sea_orm::on_commit`, which runs after all of them. `docs/delivery.md` has this under
/// "Nested sends".
///
/// Sent by `fanfare-sea-orm` from `after_save`, in the places of [`PRE_SAVE`], but not after
/// `update_without_returning`, nor where a conflict left a row as it was. As in Django an `Err`
/// reaches the caller and does not undo a row that autocommit has written.
pub static POST_SAVE: Signal<PostSave<'static>, Answer> = Signal::new();

/// A row is about to be deleted.
///
/// Sent by `fanfare-sea-orm` from `before_delete`: `Model::delete`, `ActiveModel::delete`, and each
/// row that `cascade_delete` reads. Not for `delete_many`, `delete_by_id`, or what the database
/// cascades. Django also sends it for querysets. An `Err` refuses the delete.
pub static PRE_DELETE: Signal<Delete<'static>, Answer> = Signal::new();

/// A row has been deleted. Sent by `fanfare-sea-orm` from `after_delete`, in the places of
/// [`PRE_DELETE`]; also where there was no such row, which SeaORM does not tell it.
pub static POST_DELETE: Signal<Delete<'static>, Answer> = Signal::new();

/// A many-to-many relation is about to change, or has changed.
///
/// Sent by `fanfare-sea-orm`'s `Links` with Django's rules, a pair for each call; and from the hooks
/// of a junction entity for nested saves, a pair for each row. An `Err` before the change refuses
/// it.
///
/// Sender: the junction entity, as Django's `through` class.
pub static M2M_CHANGED: Signal<M2mChanged<'static>, Answer> = Signal::new();

/// One statement has inserted many rows.
///
/// Sent by `fanfare-sea-orm`'s `exec_signalled` on `insert_many`. Django sends nothing for
/// `bulk_create`. Sender: the entity.
pub static BULK_CREATED: Signal<Bulk<'static>, Answer> = Signal::new();

/// One statement has updated many rows.
///
/// Sent by `fanfare-sea-orm`'s `exec_signalled` on `update_many`. Django sends nothing for
/// `QuerySet.update`. Sender: the entity.
pub static BULK_UPDATED: Signal<Bulk<'static>, Answer> = Signal::new();

/// One statement has deleted many rows.
///
/// Sent by `fanfare-sea-orm`'s `exec_signalled` on `delete_many`. Django's `QuerySet.delete` sends
/// for each row instead. Sender: the entity.
pub static BULK_DELETED: Signal<Bulk<'static>, Answer> = Signal::new();

/// The event of a signal whose senders are models, so that receivers can connect by a model's name.
/// [`model_event!`](crate::model_event) implements it for an event of your own.
#[diagnostic::on_unimplemented(
    message = "receivers of the event `{Self}` cannot be connected by the name of a model",
    note = "only those of inits, saves, deletes, links and bulk statements can"
)]
pub trait ModelEvent: DeclaresSenders<Senders = Models> {}

/// A type that model signals are sent from: the entity of an ORM, and not the struct of its rows.
///
/// `fanfare_sea_orm::model_signals!` implements it for the `Entity`. An emitter of your own
/// implements it for the types that it sends from. `#[receiver(POST_SAVE, sender = ..)]` takes no
/// other type as the sender of a model signal, because no event would reach such a receiver.
///
/// ```
/// use fanfare_django::model::{Answer, Context, ModelSender, POST_SAVE, PostSave};
/// use fanfare::{Sender, receiver};
///
/// struct User;
///
/// impl ModelSender for User {}
///
/// #[receiver(POST_SAVE, sender = User)]
/// fn index(_sender: Sender<'_>, _event: &PostSave<'_>) -> Answer {
///     Ok(())
/// }
///
/// fanfare::connect_receivers();
/// let event = PostSave::new(&User, true, None, Context::default());
/// assert_eq!(POST_SAVE.from(Sender::of::<User>()).send_until_err(&event).unwrap().len(), 1);
/// ```
#[diagnostic::on_unimplemented(
    message = "no model signal is sent from `{Self}`",
    label = "not an entity that sends",
    note = "the sender is the entity and not the struct of a row: write `sender = customer::Entity`, or `sender = \"shop.Customer\"`",
    note = "an entity sends if `fanfare_sea_orm::model_signals!` stands beside it, or if it implements `ModelSender`"
)]
pub trait ModelSender: Any {}

macro_rules! model_events {
    ($($name:ident)*) => {
        $(crate::model_event!($name<'static>);)*
    };
}

model_events! { PreInit PostInit PreSave PostSave Delete M2mChanged Bulk }

/// Makes an event of your own the event of a model signal: receivers connect by the name of a model,
/// with [`ModelSignal`] or `#[receiver]`.
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
/// ARCHIVED.connect_model("wiki.Page", |_sender, _event| 1)?;
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
