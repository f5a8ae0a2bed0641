//! `#[receiver]` with `model`, and with a model's name as the sender.
//!
//! One test, because receivers that `connect_receivers` connects stay.

mod common;

use std::error::Error;
use std::fmt;
use std::sync::LazyLock;

use common::entities::{book, book_tag, person, tag};
use common::rows::{book, person, tag_of_id};
use common::{Log, on_each_database};
use fanfare::{Sender, receiver};
use fanfare_django::model::{
    Delete, M2M_CHANGED, M2mChanged, POST_DELETE, POST_INIT, POST_SAVE, PRE_DELETE, PRE_INIT,
    PRE_SAVE, PostInit, PostSave, PreInit, PreSave, ReceiverResult,
};
use fanfare_sea_orm::{Executor, Inited, Links, SignalConnection, prepare_models, receiver_error};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, ModelTrait, PaginatorTrait,
    QueryFilter, Set,
};

static SEEN: LazyLock<Log> = LazyLock::new(Log::new);

#[derive(Debug, PartialEq)]
enum LibraryError {
    NoName,
    Taken(String),
    Database(String),
}

impl fmt::Display for LibraryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Error for LibraryError {}

impl From<sea_orm::DbErr> for LibraryError {
    fn from(error: sea_orm::DbErr) -> Self {
        LibraryError::Database(error.to_string())
    }
}

/// Changes the columns that are written.
#[receiver(PRE_SAVE, model = person, priority = 2)]
fn tidy(person: &mut person::ActiveModel, _event: &PreSave<'_>) -> Result<(), LibraryError> {
    let name = person.last_name.clone().take().unwrap_or_default();
    person.last_name = Set(name.trim().to_owned());
    Ok(())
}

/// Looks at the row only.
#[receiver(PRE_SAVE, model = person, priority = 1)]
fn has_name(person: &person::ActiveModel, _event: &PreSave<'_>) -> Result<(), LibraryError> {
    match person.last_name.clone().take() {
        Some(name) if name.is_empty() => Err(LibraryError::NoName),
        _ => Ok(()),
    }
}

/// Looks something up, and changes the instance afterwards.
#[receiver(PRE_SAVE, model = crate::common::entities::person)]
async fn unique(person: &person::ActiveModel, event: &PreSave<'_>) -> Result<(), LibraryError> {
    let db: &Executor = event.connection().expect("a connection of ours");
    let name = person.last_name.clone().take().unwrap_or_default();
    let same = person::Entity::find().filter(person::Column::LastName.eq(&name));
    if event.created() && same.count(db).await? > 0 {
        return Err(LibraryError::Taken(name));
    }
    event.with_instance(|person: &mut person::ActiveModel| {
        person.first_name = Set("checked".to_owned());
    });
    Ok(())
}

/// Does not fail.
#[receiver(POST_SAVE, model = person)]
async fn welcome(person: &person::Model, event: &PostSave<'_>) {
    tokio::task::yield_now().await;
    SEEN.push(format!("welcome {} {}", person.last_name, event.created()));
}

/// Returns the error of a receiver that is written by hand.
#[receiver([PRE_DELETE, POST_DELETE], model = person)]
fn bye(person: &person::Model, event: &Delete<'_>) -> ReceiverResult {
    SEEN.push(format!("bye {} {}", person.last_name, event.using()));
    Ok(())
}

#[receiver(POST_DELETE, model = person, dispatch_uid = "of the active model")]
async fn gone(person: &person::ActiveModel, _event: &Delete<'_>) -> Result<(), String> {
    SEEN.push(format!("gone {:?}", person.id.as_ref()));
    Ok(())
}

#[receiver(M2M_CHANGED, model = book_tag)]
async fn linked(book: &book::Model, event: &M2mChanged<'_>) -> Result<(), LibraryError> {
    SEEN.push(format!("{} {}", event.action(), book.title));
    Ok(())
}

#[receiver(PRE_INIT, model = book)]
fn shout(book: &mut book::Model, _event: &PreInit<'_>) {
    book.title.push('!');
}

#[receiver(POST_INIT, model = book)]
fn made(book: &book::Model, _event: &PostInit<'_>) {
    SEEN.push(format!("made {}", book.title));
}

/// Connects by its name: the entity is not known yet when this is connected.
#[receiver(POST_SAVE, sender = "library.tag", priority = 3)]
fn by_name(_sender: Sender<'_>, event: &PostSave<'_>) -> ReceiverResult {
    SEEN.push(format!("by name {}", event.model_name()));
    Ok(())
}

#[receiver(POST_SAVE, sender = "library.Tag")]
async fn by_name_async(_sender: Sender<'_>, event: &PostSave<'_>) -> ReceiverResult {
    let tag = event.instance::<tag::Model>().ok_or("not a tag")?;
    SEEN.push(format!("by name, async {}", tag.name));
    Ok(())
}

/// An event of another type than the receiver takes refuses the operation.
#[receiver(POST_SAVE, model = book)]
fn of_another_type(_page: &common::entities::page::Model, _event: &PostSave<'_>) {}

#[tokio::test]
async fn declared_receivers_of_a_model_get_its_instances() {
    let report = fanfare::connect_receivers();
    let senders = |receiver: &str| {
        let entries = report.entries().iter();
        let of_it = entries.filter(|it| it.receiver.ends_with(receiver));
        of_it
            .map(|it| it.sender.clone().unwrap())
            .collect::<Vec<_>>()
    };
    // No entity is prepared yet.
    assert_eq!(senders("::by_name"), ["model \"library.tag\""]);
    assert!(senders("::welcome")[0].ends_with("person::Entity"));
    assert_eq!(report.duplicates().count(), 0);
    assert!(prepare_models().is_ok());

    on_each_database(async |db: SignalConnection| {
        let ada = person(" Lovelace ").insert(&db).await.unwrap();
        assert_eq!(ada.last_name, "Lovelace");
        assert_eq!(ada.first_name, "checked");
        assert_eq!(SEEN.take(), ["welcome Lovelace true"]);

        let error = person("Lovelace").insert(&db).await.unwrap_err();
        let taken = LibraryError::Taken("Lovelace".to_owned());
        assert_eq!(receiver_error(&error), Some(&taken));
        let error = person(" ").insert(&db).await.unwrap_err();
        assert_eq!(receiver_error(&error), Some(&LibraryError::NoName));

        let mut changed = ada.into_active_model();
        changed.last_name = Set("King".to_owned());
        let ada = changed.update(&db).await.unwrap();
        assert_eq!(SEEN.take(), ["welcome King false"]);
        let gone = format!("gone {:?}", ada.id);
        ada.delete(&db).await.unwrap();
        let bye = format!("bye King {}", db.using());
        assert_eq!(SEEN.take(), [&*bye, &*bye, &*gone]);

        tag_of_id(3).insert(&db).await.unwrap();
        assert_eq!(SEEN.take(), ["by name library.Tag", "by name, async tag 3"]);

        let error = book(7).insert(&db).await.unwrap_err();
        let page = "is not a model_receivers::common::entities::page::Model: take";
        assert!(error.to_string().contains(page), "{error}");
        let book = book::Entity::find_by_id(7).one(&db).await.unwrap().unwrap();
        let links = Links::<book_tag::Entity>::of(&book).unwrap();
        links.add([3], &db).await.unwrap();
        assert_eq!(SEEN.take(), ["pre_add book 7", "post_add book 7"]);
        let book = Inited::new(book);
        assert_eq!(book.title, "book 7!");
        assert_eq!(SEEN.take(), ["made book 7!"]);
    })
    .await;
}
