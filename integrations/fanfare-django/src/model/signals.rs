//! The signals of models.

use std::any::Any;

use fanfare::__private::DeclaresSenders;
use fanfare::Signal;

use super::many::{Bulk, M2mChanged};
use super::save::{ClassPrepared, Delete, PostInit, PostSave, PreInit, PreSave};
use crate::ReceiverResult;

/// The senders of a model signal.
#[derive(Default)]
pub struct Models;

/// Sent when a model has been given its name, and its signals can be sent.
///
/// - **Sender**: the entity.
/// - **When**: [`prepare`](super::prepare) sends it once for each model, before receivers that wait
///   for the name are connected. `fanfare-sea-orm` prepares an entity at its first signal, or all
///   entities at `prepare_models()`. It is sent with [`send`](Signal::send), so an async receiver
///   makes the entity's first operation panic on an executor's thread.
/// - **Errors**: receivers return `()`.
/// - **Django**: it also sends the signal before it connects receivers that wait for the name. It
///   does so when the class is defined.
pub static CLASS_PREPARED: Signal<ClassPrepared<'static>> = Signal::new();

/// Sent when an instance is about to be made.
///
/// - **Sender**: the entity.
/// - **When**: `fanfare-sea-orm` sends it for each row read as an `Inited<Model>`, and in
///   `Inited::new`. So the application asks for it, query by query. It is sent with
///   [`send`](Signal::send), because `fanfare-sea-orm` cannot await there. Async receivers make the
///   send panic on an executor's thread, so connect sync ones.
/// - **Errors**: receivers return `()`.
/// - **Django**: it sends the signal for every instance, which its developers call an expensive
///   mistake. It passes `args` and `kwargs`. Here [`PreInit::instance`] lends the values.
pub static PRE_INIT: Signal<PreInit<'static>> = Signal::new();

/// Sent when an instance has been made.
///
/// - **Sender**: the entity.
/// - **When**: it is sent in the places of [`PRE_INIT`], after that signal.
/// - **Errors**: receivers return `()`.
pub static POST_INIT: Signal<PostInit<'static>> = Signal::new();

/// Sent when a row is about to be inserted or updated.
///
/// - **Sender**: the entity.
/// - **When**: `fanfare-sea-orm` sends it from `before_save`: for `insert`, `update`, `save`, and
///   each row of a nested save. It is not sent for bulk operations.
/// - **Errors**: an `Err` refuses the save.
/// - **Django**: the event has Django's `instance`, `raw`, `using` and `update_fields`. It also has
///   `created`, because SeaORM knows beforehand whether it will insert.
pub static PRE_SAVE: Signal<PreSave<'static>, ReceiverResult> = Signal::new();

/// Sent when a row has been inserted or updated.
///
/// - **Sender**: the entity.
/// - **When**: `fanfare-sea-orm` sends it from `after_save`, in the places of [`PRE_SAVE`]. It is
///   not sent after `update_without_returning`, or if a conflict left a row as it was. A
///   surrounding transaction is not committed yet (see [`PostSave::after_commit`]).
/// - **Errors**: an `Err` reaches the caller. It does not undo a row that autocommit has written.
/// - **Django**: an exception does not undo such a row either.
///
/// A receiver that saves an instance of the same model also gets the event of that save, again and
/// again. In a debug build the stack overflows after about forty levels, and by then autocommit has
/// written each row. As in Django, the receiver needs a condition that ends the recursion, such as
/// this one:
///
/// ```
/// # use fanfare_django::model::PostSave;
/// # fn is_its_own(event: &PostSave<'_>) -> bool {
/// event.update_fields() == Some(&["slug"][..])
/// # }
/// ```
///
/// The event of the second save reaches the other receivers after each of them has begun with the
/// first event. Only an async receiver that awaits something before it uses its event may get the
/// newer row first. In that case save in `fanfare_sea_orm::on_commit`, which runs after all of
/// them. `docs/delivery.md` describes this under "Nested sends".
pub static POST_SAVE: Signal<PostSave<'static>, ReceiverResult> = Signal::new();

/// Sent when a row is about to be deleted.
///
/// - **Sender**: the entity.
/// - **When**: `fanfare-sea-orm` sends it from `before_delete`: for `Model::delete`,
///   `ActiveModel::delete`, and each row that `cascade_delete` reads. It is not sent for
///   `delete_many`, `delete_by_id`, or rows that the database deletes by a cascade.
/// - **Errors**: an `Err` refuses the delete.
/// - **Django**: it also sends the signal for querysets.
pub static PRE_DELETE: Signal<Delete<'static>, ReceiverResult> = Signal::new();

/// Sent when a row has been deleted.
///
/// - **Sender**: the entity.
/// - **When**: `fanfare-sea-orm` sends it from `after_delete`, in the places of [`PRE_DELETE`]. It
///   also sends it if there was no such row, because SeaORM does not report that.
/// - **Errors**: an `Err` reaches the caller.
pub static POST_DELETE: Signal<Delete<'static>, ReceiverResult> = Signal::new();

/// Sent when a many-to-many relation is about to change, and when it has changed.
///
/// - **Sender**: the junction entity, as Django's `through` class.
/// - **When**: `Links` of `fanfare-sea-orm` sends it with Django's rules, a pair for each call. The
///   hooks of a junction entity send it for nested saves, a pair for each row.
/// - **Errors**: an `Err` before the change refuses the change.
pub static M2M_CHANGED: Signal<M2mChanged<'static>, ReceiverResult> = Signal::new();

/// Sent when one statement has inserted many rows.
///
/// - **Sender**: the entity.
/// - **When**: `exec_signalled` of `fanfare-sea-orm` sends it on `insert_many`.
/// - **Errors**: an `Err` reaches the caller.
/// - **Django**: it sends no signal for `bulk_create`.
pub static BULK_CREATED: Signal<Bulk<'static>, ReceiverResult> = Signal::new();

/// Sent when one statement has updated many rows.
///
/// - **Sender**: the entity.
/// - **When**: `exec_signalled` of `fanfare-sea-orm` sends it on `update_many`.
/// - **Errors**: an `Err` reaches the caller.
/// - **Django**: it sends no signal for `QuerySet.update`.
pub static BULK_UPDATED: Signal<Bulk<'static>, ReceiverResult> = Signal::new();

/// Sent when one statement has deleted many rows.
///
/// - **Sender**: the entity.
/// - **When**: `exec_signalled` of `fanfare-sea-orm` sends it on `delete_many`.
/// - **Errors**: an `Err` reaches the caller.
/// - **Django**: `QuerySet.delete` sends the signals of a delete for each row instead.
pub static BULK_DELETED: Signal<Bulk<'static>, ReceiverResult> = Signal::new();

fanfare::signals!(
    CLASS_PREPARED,
    PRE_INIT,
    POST_INIT,
    PRE_SAVE,
    POST_SAVE,
    PRE_DELETE,
    POST_DELETE,
    M2M_CHANGED,
    BULK_CREATED,
    BULK_UPDATED,
    BULK_DELETED,
);

/// The event of a signal whose senders are models, so that receivers can connect by a model's name.
/// [`model_event!`](crate::model_event) implements it for an event of your own.
#[diagnostic::on_unimplemented(
    message = "receivers of the event `{Self}` cannot be connected by the name of a model",
    note = "only receivers of inits, saves, deletes, links and bulk statements can"
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
/// use fanfare_django::model::{Context, ModelSender, POST_SAVE, PostSave, ReceiverResult};
///
/// struct User;
///
/// impl ModelSender for User {}
///
/// #[receiver(POST_SAVE, sender = User)]
/// fn index(_sender: Sender<'_>, _event: &PostSave<'_>) -> ReceiverResult {
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
