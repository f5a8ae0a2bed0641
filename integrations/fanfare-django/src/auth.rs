//! Log-ins and log-outs: [`USER_LOGGED_IN`], [`USER_LOGGED_OUT`] and [`USER_LOGIN_FAILED`].
//!
//! The application sends them in its log-in and log-out, with one line each, as the examples show.
//! No crate of ours sends them, because no framework here knows the type of a user.
//!
//! Django's `login` sends the first as its last step. Its `logout` sends the second before it
//! flushes the session, and its `authenticate` sends the third when no backend accepts. An
//! exception of a receiver leaves `login` there. Here the receivers return `()`. A receiver that
//! can fail handles its failure, and only a panic reaches the sender.
//!
//! User and request have whatever types the application has. They must be `Sync`, because several
//! receivers may use them at once. The requests of some web frameworks are not `Sync` because of
//! their bodies. Their heads are (`http::request::Parts`).

use std::any::Any;
use std::fmt;

use fanfare::{Event, Signal};

use crate::downcast;

/// Sent when a user has been logged in, after the session has been set up.
///
/// - **Sender**: the type of the user, `Sender::of::<User>()`.
/// - **When**: the application sends it as the last step of its log-in. Where receivers are async,
///   use `USER_LOGGED_IN.from(sender).asend(&event).await`.
/// - **Errors**: receivers return `()`.
/// - **Django**: `login` sends it as its last step.
///
/// ```
/// use fanfare::Sender;
/// use fanfare_django::auth::{USER_LOGGED_IN, UserLoggedIn};
/// # use std::sync::Mutex;
///
/// struct User {
///     name: String,
/// }
/// struct Request {
///     from: &'static str,
/// }
///
/// static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// USER_LOGGED_IN.options().sender(Sender::of::<User>()).connect(|_sender, logged_in| {
///     let (user, request) = (logged_in.user::<User>(), logged_in.request::<Request>());
///     if let (Some(user), Some(request)) = (user, request) {
///         SEEN.lock().unwrap().push(format!("{} from {}", user.name, request.from));
///     }
/// });
///
/// // The last line of the application's own log-in:
/// # let (user, request) = (User { name: "ada".into() }, Request { from: "127.0.0.1" });
/// let logged_in = UserLoggedIn::new(&user).with_request(&request);
/// USER_LOGGED_IN.from(Sender::of::<User>()).send(&logged_in);
/// assert_eq!(*SEEN.lock().unwrap(), ["ada from 127.0.0.1"]);
/// ```
pub static USER_LOGGED_IN: Signal<UserLoggedIn<'static>> = Signal::new();

/// Sent when a user is about to be logged out, before the session is flushed. So receivers can
/// still read its contents.
///
/// - **Sender**: the type of the user, `Sender::of::<User>()`, or
///   [`Sender::NONE`](fanfare::Sender::NONE) if no user was logged in.
/// - **When**: the application sends it in its log-out, before it flushes the session.
/// - **Errors**: receivers return `()`.
/// - **Django**: `logout` sends it before it flushes the session. The sender is the type of `None`
///   if no user was logged in.
///
/// ```
/// use fanfare::Sender;
/// use fanfare_django::auth::{USER_LOGGED_OUT, UserLoggedOut};
/// # use std::sync::atomic::{AtomicUsize, Ordering};
///
/// struct User;
///
/// static KNOWN: AtomicUsize = AtomicUsize::new(0);
/// USER_LOGGED_OUT.connect(|_sender, logged_out| {
///     KNOWN.fetch_add(usize::from(logged_out.user::<User>().is_some()), Ordering::Relaxed);
/// });
///
/// // In the application's own log-out, where somebody was logged in, and where nobody was:
/// # let user = User;
/// USER_LOGGED_OUT.from(Sender::of::<User>()).send(&UserLoggedOut::new(&user));
/// USER_LOGGED_OUT.send(&UserLoggedOut::anonymous());
/// assert_eq!(KNOWN.load(Ordering::Relaxed), 1);
/// ```
pub static USER_LOGGED_OUT: Signal<UserLoggedOut<'static>> = Signal::new();

/// Sent when a log-in failed with the credentials that were given.
///
/// - **Sender**: the name of the part that refused. Names are compared by their text.
/// - **When**: the application sends it in its log-in, where it refuses.
/// - **Errors**: receivers return `()`.
/// - **Django**: `authenticate` sends it when no backend accepts. The sender is the text
///   `"django.contrib.auth"`.
///
/// ```
/// use fanfare_django::auth::{USER_LOGIN_FAILED, UserLoginFailed};
/// # use std::sync::Mutex;
///
/// static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// USER_LOGIN_FAILED.connect(|sender, failed| {
///     LOG.lock().unwrap().push(format!("{sender}: {:?}", failed.credentials()));
/// });
///
/// // In the application's own log-in, where it refuses:
/// # let (name, password) = ("eve", "guess");
/// let failed = UserLoginFailed::new([("username", name), ("password", password)]);
/// USER_LOGIN_FAILED.from("shop").send(&failed);
/// assert_eq!(
///     *LOG.lock().unwrap(),
///     [r#""shop": [("username", "eve"), ("password", "********************")]"#],
/// );
/// ```
pub static USER_LOGIN_FAILED: Signal<UserLoginFailed<'static>> = Signal::new();

fanfare::signals!(USER_LOGGED_IN, USER_LOGGED_OUT, USER_LOGIN_FAILED);

/// The event of [`USER_LOGGED_IN`]: the user that logged in, and the request.
#[derive(Clone, Copy)]
pub struct UserLoggedIn<'a> {
    user: &'a (dyn Any + Sync),
    request: Option<&'a (dyn Any + Sync)>,
}

impl Event for UserLoggedIn<'static> {
    type Args<'a> = UserLoggedIn<'a>;
}

impl<'a> UserLoggedIn<'a> {
    /// Returns an event for this `user`, without a request.
    pub fn new<U: Any + Sync>(user: &'a U) -> Self {
        UserLoggedIn {
            user,
            request: None,
        }
    }

    /// Adds the request.
    pub fn with_request<Q: Any + Sync>(self, request: &'a Q) -> Self {
        UserLoggedIn {
            request: Some(request),
            ..self
        }
    }

    /// Returns the user, or `None` if it is not a `U`.
    pub fn user<U: Any>(&self) -> Option<&'a U> {
        downcast(self.user)
    }

    /// Returns the request, or `None` if there is no request or it is not a `Q`.
    pub fn request<Q: Any>(&self) -> Option<&'a Q> {
        downcast(self.request?)
    }
}

impl fmt::Debug for UserLoggedIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserLoggedIn").finish_non_exhaustive()
    }
}

/// The event of [`USER_LOGGED_OUT`]: the user that logs out, if one was logged in, and the request.
#[derive(Clone, Copy)]
pub struct UserLoggedOut<'a> {
    user: Option<&'a (dyn Any + Sync)>,
    request: Option<&'a (dyn Any + Sync)>,
}

impl Event for UserLoggedOut<'static> {
    type Args<'a> = UserLoggedOut<'a>;
}

impl<'a> UserLoggedOut<'a> {
    /// Returns an event for this `user`, without a request.
    pub fn new<U: Any + Sync>(user: &'a U) -> Self {
        UserLoggedOut {
            user: Some(user),
            request: None,
        }
    }

    /// Returns an event for a log-out where no user was logged in, without a request.
    pub fn anonymous() -> Self {
        UserLoggedOut {
            user: None,
            request: None,
        }
    }

    /// Adds the request.
    pub fn with_request<Q: Any + Sync>(self, request: &'a Q) -> Self {
        UserLoggedOut {
            request: Some(request),
            ..self
        }
    }

    /// Returns `true` if no user was logged in.
    pub fn is_anonymous(&self) -> bool {
        self.user.is_none()
    }

    /// Returns the user, or `None` if no user was logged in or it is not a `U`.
    pub fn user<U: Any>(&self) -> Option<&'a U> {
        downcast(self.user?)
    }

    /// Returns the request, or `None` if there is no request or it is not a `Q`.
    pub fn request<Q: Any>(&self) -> Option<&'a Q> {
        downcast(self.request?)
    }
}

impl fmt::Debug for UserLoggedOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserLoggedOut")
            .field("anonymous", &self.is_anonymous())
            .finish_non_exhaustive()
    }
}

/// The event of [`USER_LOGIN_FAILED`]: the credentials that were given, without their secrets, and
/// the request.
#[derive(Clone)]
pub struct UserLoginFailed<'a> {
    credentials: Vec<(&'a str, &'a str)>,
    request: Option<&'a (dyn Any + Sync)>,
}

impl Event for UserLoginFailed<'static> {
    type Args<'a> = UserLoginFailed<'a>;
}

impl<'a> UserLoginFailed<'a> {
    /// Returns an event for these names and values, without a request.
    ///
    /// It replaces secrets as [`cleanse`] does, so that receivers cannot see them. It allocates a
    /// list.
    pub fn new(credentials: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let cleansed = credentials
            .into_iter()
            .map(|(name, value)| (name, cleanse(name, value)));
        UserLoginFailed {
            credentials: cleansed.collect(),
            request: None,
        }
    }

    /// Adds the request. Secrets in the request are not replaced.
    pub fn with_request<Q: Any + Sync>(self, request: &'a Q) -> Self {
        UserLoginFailed {
            request: Some(request),
            ..self
        }
    }

    /// Returns the names and the values, in the order given.
    pub fn credentials(&self) -> &[(&'a str, &'a str)] {
        &self.credentials
    }

    /// Returns the value of the first credential of this name.
    pub fn credential(&self, name: &str) -> Option<&'a str> {
        let found = self.credentials.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| *value)
    }

    /// Returns the request, or `None` if there is no request or it is not a `Q`.
    pub fn request<Q: Any>(&self) -> Option<&'a Q> {
        downcast(self.request?)
    }
}

impl fmt::Debug for UserLoginFailed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserLoginFailed")
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

/// The replacement for a secret: 20 asterisks, whatever the secret's length.
pub const CLEANSED: &str = "********************";

/// The parts of names that mark a secret, in upper or lower case.
const SECRET: [&str; 6] = ["api", "token", "key", "secret", "password", "signature"];

/// Returns the value, or [`CLEANSED`] if its name is that of a secret.
///
/// A name is that of a secret if it contains `api`, `token`, `key`, `secret`, `password` or
/// `signature`, in upper or lower case. These are Django's words.
///
/// The name alone decides. A `pin` stays readable, and a `monkey` does not.
///
/// ```
/// use fanfare_django::auth::{CLEANSED, cleanse};
///
/// assert_eq!(cleanse("username", "ada"), "ada");
/// assert_eq!(cleanse("newPassword1", "hunter2"), CLEANSED);
/// ```
pub fn cleanse<'v>(name: &str, value: &'v str) -> &'v str {
    let name = name.as_bytes();
    let secret = SECRET.iter().any(|word| {
        name.windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    });
    if secret { CLEANSED } else { value }
}
