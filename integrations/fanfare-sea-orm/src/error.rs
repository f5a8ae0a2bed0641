//! The errors of receivers, on their way through SeaORM's error type.

use std::error::Error;
use std::fmt;
use std::io;
use std::iter::successors;
use std::sync::Arc;

#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
use sea_orm::RuntimeErr;
use sea_orm::{DbErr, TransactionError};

type BoxError = Box<dyn Error + Send + Sync>;

/// The error that a receiver returned, as the caller of the operation gets it.
///
/// An operation whose receiver returns an error fails with a [`DbErr`]. If the receiver's error is
/// a `DbErr`, the operation returns it unchanged. Any other error is inside a
/// [`DbErr::TryIntoErr`], and [`receiver_error`] returns it with its type. The chain of
/// [`source`](Error::source)s reaches it too: this type is the first source of the `DbErr`, and the
/// receiver's error is the second.
///
/// It displays as the receiver's error.
///
/// ```
/// use fanfare_sea_orm::ReceiverError;
///
/// let other = std::io::Error::other("the disk is full");
/// assert!(ReceiverError::find(&other).is_none());
/// ```
#[derive(Debug)]
pub struct ReceiverError {
    signal: &'static str,
    error: BoxError,
}

impl ReceiverError {
    /// Returns the first error of a receiver in `error` and its sources.
    ///
    /// It also looks into the errors of SeaORM that have a cause and no `source`:
    /// [`TransactionError`], and an error of the driver.
    pub fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        chain(error).find_map(|it| it.downcast_ref())
    }

    /// Returns the name of the signal whose receiver returned the error, as `"PRE_SAVE"`.
    pub fn signal(&self) -> &'static str {
        self.signal
    }

    /// Returns the receiver's error.
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }

    /// Returns the receiver's error, or the first of its sources, that is an `E`.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        chain(&*self.error).find_map(|it| it.downcast_ref())
    }
}

impl fmt::Display for ReceiverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for ReceiverError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.error)
    }
}

/// Returns the error of a receiver that made an operation fail, if it is an `E`.
///
/// `error` is a [`DbErr`], or an error that has one as a source. Short for [`ReceiverError::find`]
/// and [`ReceiverError::downcast_ref`].
///
/// ```
/// # mod customer {
/// #     use sea_orm::entity::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "customer")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub email: String }
/// #     fanfare_sea_orm::model_signals!("shop.Customer");
/// # }
/// # use fanfare::Sender;
/// # use fanfare_django::model::PRE_SAVE;
/// # use sea_orm::{ActiveModelTrait, ConnectionTrait, Database, DbErr, Set};
/// use fanfare_sea_orm::{ReceiverError, SignalConnection, receiver_error};
///
/// #[derive(Debug, PartialEq)]
/// enum ShopError {
///     NoAddress,
/// }
/// # impl std::fmt::Display for ShopError {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
/// #         f.write_str("that is no address")
/// #     }
/// # }
/// impl std::error::Error for ShopError {}
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), DbErr> {
/// PRE_SAVE.options().sender(Sender::of::<customer::Entity>()).connect(|_sender, _event| {
///     Err(ShopError::NoAddress.into())
/// });
/// # let db = SignalConnection::new(Database::connect("sqlite::memory:").await?);
/// # let table = "CREATE TABLE customer (id INTEGER PRIMARY KEY, email TEXT NOT NULL)";
/// # db.execute_unprepared(table).await?;
/// let customer = customer::ActiveModel { email: Set("x".to_owned()), ..Default::default() };
/// let error = customer.insert(&db).await.unwrap_err();
///
/// assert_eq!(receiver_error(&error), Some(&ShopError::NoAddress));
/// assert_eq!(ReceiverError::find(&error).unwrap().signal(), "PRE_SAVE");
/// # Ok(())
/// # }
/// ```
pub fn receiver_error<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    ReceiverError::find(error)?.downcast_ref()
}

/// Returns `error` and its sources, also where a type of SeaORM does not name its source.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    successors(Some(error), |&error| cause(error))
}

fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    // Two error types of std have the `source` of the error inside them, and not that error, as
    // their source.
    if let Some(shared) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        return Some(&**shared);
    }
    if let Some(inside) = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        return Some(inside);
    }
    if let Some(error) = error.downcast_ref::<TransactionError<DbErr>>() {
        let (TransactionError::Connection(error) | TransactionError::Transaction(error)) = error;
        return Some(error);
    }
    #[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
    if let Some(RuntimeErr::SqlxError(error)) = error.downcast_ref::<RuntimeErr>() {
        return Some(&**error);
    }
    error.source()
}

/// A signal's name, as the errors of its receivers have it.
#[derive(Clone, Copy)]
pub(crate) struct SignalName {
    pub(crate) name: &'static str,
    pub(crate) error: &'static str,
}

/// Makes a [`SignalName`] of the name of a static.
macro_rules! signal_name {
    ($signal:ident) => {
        $crate::error::SignalName {
            name: stringify!($signal),
            error: concat!("an error of a ", stringify!($signal), " receiver"),
        }
    };
}

pub(crate) use signal_name;

/// Returns a receiver's error for the caller of the operation: unchanged if it is a `DbErr`.
pub(crate) fn refusal(signal: SignalName, error: BoxError) -> DbErr {
    match error.downcast::<DbErr>() {
        Ok(error) => *error,
        // The variant that can hold any error, and has it as its source.
        Err(error) => DbErr::TryIntoErr {
            from: signal.error,
            into: "DbErr",
            source: Arc::new(ReceiverError {
                signal: signal.name,
                error,
            }),
        },
    }
}

/// Returns a receiver's error for sqlx: unchanged if it is a `sqlx::Error`.
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
pub(crate) fn driver_refusal(signal: SignalName, error: BoxError) -> sea_orm::sqlx::Error {
    match error.downcast::<sea_orm::sqlx::Error>() {
        Ok(error) => *error,
        Err(error) => sea_orm::sqlx::Error::Configuration(Box::new(ReceiverError {
            signal: signal.name,
            error,
        })),
    }
}
