//! Log-ins and log-outs: [`USER_LOGGED_IN`], [`USER_LOGGED_OUT`] and [`USER_LOGIN_FAILED`].
//!
//! Who sends them: the application, in its own log-in and log-out, with one line each; see the
//! examples. No crate of ours does, for there is no framework here that knows who a user is.
//!
//! What Django does: `login` sends the first as its last step, `logout` the second before it
//! flushes the session, and `authenticate` the third when no backend accepts. An exception of a receiver
//! leaves `login` there. Here receivers answer `()`: one that can fail deals with its failure, and only
//! a panic travels.
//!
//! The sender of the first two is the type of the user, `Sender::of::<User>()`, and
//! [`Sender::NONE`](fanfare::Sender::NONE) where nobody was logged in (Django: the type of `None`).
//! The third has the name of what refused (Django: the text `"django.contrib.auth"`); here names are
//! compared by their text.
//!
//! User and request are whatever types the application has, and must be `Sync`, for several
//! receivers may look at them at once. The requests of some web frameworks are not, because of their
//! bodies; their heads are (`http::request::Parts`).

use std::any::Any;
use std::fmt;

use fanfare::{Event, Signal};

use crate::downcast;

/// Sent when a user has been logged in: after the session has been set up.
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
///     if let (Some(user), Some(request)) = (logged_in.user::<User>(), logged_in.request::<Request>()) {
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
///
/// Where receivers are async: `USER_LOGGED_IN.from(sender).asend(&event).await`.
pub static USER_LOGGED_IN: Signal<UserLoggedIn<'static>> = Signal::new();

/// Sent when a user is about to be logged out: before the session is flushed, so that receivers
/// still find what is in it.
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

/// Sent when nobody could be logged in with the credentials that were given.
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

/// Who logged in, and through which request. See [`USER_LOGGED_IN`].
#[derive(Clone, Copy)]
pub struct UserLoggedIn<'a> {
    user: &'a (dyn Any + Sync),
    request: Option<&'a (dyn Any + Sync)>,
}

impl Event for UserLoggedIn<'static> {
    type Args<'a> = UserLoggedIn<'a>;
}

impl<'a> UserLoggedIn<'a> {
    /// This `user`, through no request yet.
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

    /// The user, or `None` if it is not a `U`.
    pub fn user<U: Any>(&self) -> Option<&'a U> {
        downcast(self.user)
    }

    /// The request, or `None` if there is none or it is not a `Q`.
    pub fn request<Q: Any>(&self) -> Option<&'a Q> {
        downcast(self.request?)
    }
}

impl fmt::Debug for UserLoggedIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserLoggedIn").finish_non_exhaustive()
    }
}

/// Who logs out, if anybody was logged in, and through which request. See [`USER_LOGGED_OUT`].
#[derive(Clone, Copy)]
pub struct UserLoggedOut<'a> {
    user: Option<&'a (dyn Any + Sync)>,
    request: Option<&'a (dyn Any + Sync)>,
}

impl Event for UserLoggedOut<'static> {
    type Args<'a> = UserLoggedOut<'a>;
}

impl<'a> UserLoggedOut<'a> {
    /// This `user`, through no request yet.
    pub fn new<U: Any + Sync>(user: &'a U) -> Self {
        UserLoggedOut {
            user: Some(user),
            request: None,
        }
    }

    /// Nobody, for nobody was logged in; through no request yet.
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

    /// Whether nobody was logged in.
    pub fn is_anonymous(&self) -> bool {
        self.user.is_none()
    }

    /// The user, or `None` if nobody was logged in or it is not a `U`.
    pub fn user<U: Any>(&self) -> Option<&'a U> {
        downcast(self.user?)
    }

    /// The request, or `None` if there is none or it is not a `Q`.
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

/// What was given to log in with, without its secrets, and through which request. See
/// [`USER_LOGIN_FAILED`].
#[derive(Clone)]
pub struct UserLoginFailed<'a> {
    credentials: Vec<(&'a str, &'a str)>,
    request: Option<&'a (dyn Any + Sync)>,
}

impl Event for UserLoginFailed<'static> {
    type Args<'a> = UserLoginFailed<'a>;
}

impl<'a> UserLoginFailed<'a> {
    /// These names and values, through no request yet. Secrets are replaced here, as
    /// [`cleanse`] does it, so that no receiver sees one. Allocates a list.
    pub fn new(credentials: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let cleansed = credentials
            .into_iter()
            .map(|(name, value)| (name, cleanse(name, value)));
        UserLoginFailed {
            credentials: cleansed.collect(),
            request: None,
        }
    }

    /// Adds the request. What is secret in it is still there.
    pub fn with_request<Q: Any + Sync>(self, request: &'a Q) -> Self {
        UserLoginFailed {
            request: Some(request),
            ..self
        }
    }

    /// The names and the values, in the order given.
    pub fn credentials(&self) -> &[(&'a str, &'a str)] {
        &self.credentials
    }

    /// The value of the first credential of this name.
    pub fn credential(&self, name: &str) -> Option<&'a str> {
        let found = self.credentials.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| *value)
    }

    /// The request, or `None` if there is none or it is not a `Q`.
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

/// What stands for a secret: 20 asterisks, whatever the secret's length.
pub const CLEANSED: &str = "********************";

/// A name that has one of these in it, in any case, is that of a secret.
const SECRET: [&str; 6] = ["api", "token", "key", "secret", "password", "signature"];

/// The value, or [`CLEANSED`] if its name is that of a secret: if `api`, `token`, `key`, `secret`,
/// `password` or `signature` is in it, in upper or lower case. These are Django's words.
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
