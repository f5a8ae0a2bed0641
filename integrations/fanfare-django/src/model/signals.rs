//! The signals of models.

use std::any::Any;

use fanfare::__private::DeclaresSenders;
use fanfare::Signal;

use super::many::{Bulk, M2mChanged};
use super::save::{ClassPrepared, Delete, PostInit, PostSave, PreInit, PreSave};
use crate::Answer;

/// The senders of a model signal.
#[derive(Default)]
pub struct Models;

/// A model has been given its name, and can be sent for.
///
/// Sent by [`prepare`](super::prepare), once for each model, before receivers that wait for the name are connected,
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
/// build the stack ends it after about forty levels, and by then autocommit has written each. As in
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
/// use fanfare::{Sender, receiver};
/// use fanfare_django::model::{Answer, Context, ModelSender, POST_SAVE, PostSave};
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
