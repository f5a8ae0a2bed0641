//! Database connections: [`CONNECTION_CREATED`].
//!
//! `fanfare_sea_orm::pool` sends it, from SeaORM's pools, once for each physical connection. A pool
//! of your own sends it from its hook for new connections, as in the example of
//! [`ConnectionCreated`].

use std::any::{Any, TypeId};
use std::fmt;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use fanfare::{Event, Signal};

use crate::ReceiverResult;

/// Sent when a connection to a database has been made, before anything else uses it.
///
/// - **Sender**: the type of the connection, such as `Sender::of::<sqlx::SqliteConnection>()`.
/// - **When**: `fanfare_sea_orm::pool` sends it once for each physical connection. Several async
///   receivers may need the connection at once, so each takes its turn: see
///   [`ConnectionCreated::connection`].
/// - **Errors**: an `Err` means that the connection is not to be used. No later receiver runs, and
///   the pool discards the connection. The pool decides what happens next. Pools of sqlx try again
///   until their time for acquiring a connection is over.
/// - **Django**: it sends the signal as each connection is made, with the wrapper of the
///   connection, on which receivers run SQL such as a `PRAGMA`.
///
/// ```
/// use fanfare::Sender;
/// use fanfare_django::db::{CONNECTION_CREATED, ConnectionCreated};
///
/// CONNECTION_CREATED.connect(|_sender, created| {
///     println!("{} has one more connection of {}", created.using(), created.backend());
///     Ok(())
/// });
/// let mut connection = String::from("a connection");
/// let created = ConnectionCreated::new("default", "sqlite", &mut connection);
/// let responses = CONNECTION_CREATED.from(Sender::of::<String>()).send_until_err(&created);
/// assert_eq!(responses.unwrap().len(), 1);
/// ```
pub static CONNECTION_CREATED: Signal<ConnectionCreated<'static>, ReceiverResult> = Signal::new();

fanfare::signals!(CONNECTION_CREATED);

/// The event of [`CONNECTION_CREATED`]: a new connection, and the name and kind of its database.
///
/// The connection is lent to one receiver at a time.
///
/// ```
/// use fanfare::Sender;
/// use fanfare_django::db::{CONNECTION_CREATED, ConnectionCreated};
///
/// #[derive(Default)]
/// struct Connection {
///     executed: Vec<&'static str>,
/// }
///
/// CONNECTION_CREATED.options().sender(Sender::of::<Connection>()).connect(|_sender, created| {
///     let mut connection = created.try_connection::<Connection>().ok_or("is in use")?;
///     connection.executed.push("PRAGMA foreign_keys = ON");
///     Ok(())
/// });
///
/// // What a pool does:
/// let mut connection = Connection::default();
/// let created = ConnectionCreated::new("default", "sqlite", &mut connection);
/// CONNECTION_CREATED
///     .from(Sender::of::<Connection>())
///     .send_until_err(&created)
///     .map_err(|failed| failed.error)?;
/// drop(created);
/// assert_eq!(connection.executed, ["PRAGMA foreign_keys = ON"]);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct ConnectionCreated<'a> {
    using: &'a str,
    backend: &'a str,
    type_id: TypeId,
    place: Mutex<Place<'a>>,
}

/// The connection while no receiver has it, and the receivers that wait for it.
struct Place<'a> {
    connection: Option<&'a mut (dyn Any + Send)>,
    waiting: Vec<Waker>,
}

impl Event for ConnectionCreated<'static> {
    type Args<'a> = ConnectionCreated<'a>;
}

impl<'a> ConnectionCreated<'a> {
    /// Returns an event for a new `connection` to the database that the application calls `using`.
    ///
    /// `backend` is its kind, in lower case: `"sqlite"`, `"postgres"`, `"mysql"`.
    pub fn new<C: Any + Send>(using: &'a str, backend: &'a str, connection: &'a mut C) -> Self {
        ConnectionCreated {
            using,
            backend,
            type_id: TypeId::of::<C>(),
            place: Mutex::new(Place {
                connection: Some(connection),
                waiting: Vec::new(),
            }),
        }
    }

    /// Returns the name of the database.
    pub fn using(&self) -> &'a str {
        self.using
    }

    /// Returns the kind of the database, in lower case.
    pub fn backend(&self) -> &'a str {
        self.backend
    }

    /// Returns `true` if the connection is a `C`.
    pub fn is<C: Any>(&self) -> bool {
        self.type_id == TypeId::of::<C>()
    }

    /// Returns the connection to an async receiver, once no other receiver has it, or `None` if it
    /// is not a `C`.
    ///
    /// Receivers of one send that wait get it in no certain order. A receiver that holds the guard
    /// and calls this again waits for itself, forever. A guard that is leaked keeps the connection.
    ///
    /// Dropping the future gives up only the place in the queue.
    ///
    /// ```
    /// use fanfare::Sender;
    /// use fanfare_django::db::{CONNECTION_CREATED, ConnectionCreated};
    ///
    /// for mark in ['!'; 3] {
    ///     CONNECTION_CREATED.connect_async(move |_sender, created| {
    ///         Box::pin(async move {
    ///             let mut text = created.connection::<String>().await.ok_or("no text")?;
    ///             text.push(mark);
    ///             Ok(())
    ///         })
    ///     });
    /// }
    /// let mut text = String::from("open");
    /// let created = ConnectionCreated::new("default", "text", &mut text);
    /// # pollster::block_on(async {
    /// CONNECTION_CREATED.from(Sender::of::<String>()).asend_until_err(&created).await.unwrap();
    /// # });
    /// drop(created);
    /// assert_eq!(text, "open!!!");
    /// ```
    pub async fn connection<C: Any + Send>(&self) -> Option<ConnectionGuard<'_, 'a, C>> {
        if !self.is::<C>() {
            return None;
        }
        poll_fn(|context| self.poll_connection(context)).await
    }

    /// Returns the connection without waiting, or `None` if it is not a `C` or another receiver has
    /// it.
    ///
    /// Sync receivers run one after the other, and before the async ones. So the connection is free
    /// for each of them, unless an earlier one leaked its guard.
    pub fn try_connection<C: Any + Send>(&self) -> Option<ConnectionGuard<'_, 'a, C>> {
        if !self.is::<C>() {
            return None;
        }
        let connection = self.place().connection.take()?;
        self.guard(connection)
    }

    fn poll_connection<C: Any + Send>(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Option<ConnectionGuard<'_, 'a, C>>> {
        let mut place = self.place();
        let Some(connection) = place.connection.take() else {
            let waker = context.waker();
            if !place.waiting.iter().any(|other| other.will_wake(waker)) {
                place.waiting.push(waker.clone());
            }
            return Poll::Pending;
        };
        drop(place);
        Poll::Ready(self.guard(connection))
    }

    fn guard<C: Any + Send>(
        &self,
        connection: &'a mut (dyn Any + Send),
    ) -> Option<ConnectionGuard<'_, 'a, C>> {
        Some(ConnectionGuard {
            event: self,
            connection: Some(connection.downcast_mut()?),
        })
    }

    fn place(&self) -> MutexGuard<'_, Place<'a>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_back(&self, connection: &'a mut (dyn Any + Send)) {
        let mut place = self.place();
        place.connection = Some(connection);
        let waiting = std::mem::take(&mut place.waiting);
        // Wakers are the executor's code, which may call this event again.
        drop(place);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for ConnectionCreated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionCreated")
            .field("using", &self.using)
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

/// A guard of the connection of a [`ConnectionCreated`], for one receiver. Dropping it gives the
/// connection back.
pub struct ConnectionGuard<'e, 'a, C: Any + Send> {
    event: &'e ConnectionCreated<'a>,
    /// `None` only inside `drop`.
    connection: Option<&'a mut C>,
}

impl<C: Any + Send> Deref for ConnectionGuard<'_, '_, C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.connection
            .as_deref()
            .expect("only drop takes the connection out")
    }
}

impl<C: Any + Send> DerefMut for ConnectionGuard<'_, '_, C> {
    fn deref_mut(&mut self) -> &mut C {
        self.connection
            .as_deref_mut()
            .expect("only drop takes the connection out")
    }
}

impl<C: Any + Send> Drop for ConnectionGuard<'_, '_, C> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.event.put_back(connection);
        }
    }
}

impl<C: Any + Send + fmt::Debug> fmt::Debug for ConnectionGuard<'_, '_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
