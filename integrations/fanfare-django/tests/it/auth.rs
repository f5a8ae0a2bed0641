//! Log-ins, log-outs and failed log-ins: receivers get the application's own user and request, and
//! no secret. The cases of Django's tests of these signals.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use fanfare::{Connection, Sender};
use fanfare_django::auth::{
    CLEANSED, USER_LOGGED_IN, USER_LOGGED_OUT, USER_LOGIN_FAILED, UserLoggedIn, UserLoggedOut,
    UserLoginFailed, cleanse,
};

struct Request {
    path: &'static str,
}

const LOGIN: Request = Request { path: "/login" };

#[test]
fn a_login_sends_its_user_and_request() {
    struct User(&'static str);
    let seen = leaked(Vec::new());
    let _receiver = USER_LOGGED_IN
        .options()
        .sender(Sender::of::<User>())
        .connect(|_, event| {
            let user = event.user::<User>().unwrap().0;
            let path = event.request::<Request>().unwrap().path;
            seen.lock().unwrap().push((user, path));
        })
        .scoped();

    let ada = User("ada");
    let event = UserLoggedIn::new(&ada).with_request(&LOGIN);
    USER_LOGGED_IN.from(Sender::of::<User>()).send(&event);
    assert_eq!(*seen.lock().unwrap(), [("ada", "/login")]);
}

#[test]
fn a_user_or_request_of_another_type_is_none() {
    let text = String::from("ada");
    let event = UserLoggedIn::new(&text);
    assert_eq!(event.user::<String>(), Some(&text));
    assert_eq!(event.user::<&str>(), None);
    assert!(event.request::<Request>().is_none());
    assert!(event.with_request(&LOGIN).request::<String>().is_none());
}

#[test]
fn failed_login_has_no_secret() {
    let seen = leaked(Vec::new());
    let _receiver = USER_LOGIN_FAILED
        .options()
        .sender(Sender::named("with a request"))
        .connect(|_, event| {
            let credentials = event.credentials().iter();
            let owned = credentials.map(|(name, value)| (name.to_string(), value.to_string()));
            seen.lock().unwrap().extend(owned);
            assert_eq!(event.request::<Request>().unwrap().path, "/login");
        })
        .scoped();

    let given = [("username", "ada"), ("password", "hunter2")];
    let event = UserLoginFailed::new(given).with_request(&LOGIN);
    USER_LOGIN_FAILED.from("with a request").send(&event);
    let expected = [("username", "ada"), ("password", CLEANSED)];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(*seen.lock().unwrap(), expected);
    assert!(!format!("{event:?}").contains("hunter2"));
}

#[test]
fn failed_login_without_request() {
    let event = UserLoginFailed::new([("username", "eve")]);
    assert!(event.request::<Request>().is_none());
    assert_eq!(event.credential("username"), Some("eve"));
    assert_eq!(event.credential("password"), None);
}

#[test]
fn secrets_are_known_by_djangos_words_in_any_case() {
    let secret = [
        "api",
        "apiary",
        "TOKEN",
        "csrfToken",
        "key",
        "monkey",
        "client_secret",
        "password1",
        "newPASSWORD",
        "signature",
        "x-Signature-2",
    ];
    for name in secret {
        assert_eq!(cleanse(name, "hunter2"), CLEANSED, "{name}");
    }
    for name in ["", "ap", "username", "pass_word", "pin", "кey"] {
        assert_eq!(cleanse(name, "hunter2"), "hunter2", "{name}");
    }
    assert_eq!(CLEANSED.len(), 20);
    assert!(CLEANSED.bytes().all(|byte| byte == b'*'));
}

#[test]
fn a_logout_sends_its_user() {
    struct User(&'static str);
    let seen = leaked(Vec::new());
    let _receiver = USER_LOGGED_OUT
        .options()
        .sender(Sender::of::<User>())
        .connect(|_, event| {
            assert!(!event.is_anonymous());
            seen.lock().unwrap().push(event.user::<User>().unwrap().0);
        })
        .scoped();

    let ada = User("ada");
    USER_LOGGED_OUT
        .from(Sender::of::<User>())
        .send(&UserLoggedOut::new(&ada));
    assert_eq!(*seen.lock().unwrap(), ["ada"]);
}

#[test]
fn an_anonymous_logout_has_no_user_and_reaches_no_receiver_of_users() {
    struct User;
    let seen = leaked(Vec::new());
    let connected = [
        USER_LOGGED_OUT.connect(|sender, event| {
            if sender == Sender::NONE {
                let user = event.user::<User>().is_some();
                seen.lock()
                    .unwrap()
                    .push(("any", event.is_anonymous(), user));
            }
        }),
        USER_LOGGED_OUT
            .options()
            .sender(Sender::of::<User>())
            .connect(|_, event| {
                seen.lock()
                    .unwrap()
                    .push(("of users", event.is_anonymous(), true))
            }),
    ];

    USER_LOGGED_OUT.send(&UserLoggedOut::anonymous().with_request(&LOGIN));
    assert_eq!(*seen.lock().unwrap(), [("any", true, false)]);
    drop(connected.map(Connection::scoped));
}

/// Django's own receiver does this, and is connected only where users have the field.
#[test]
fn last_login_alone_is_written_for_the_users_that_have_it() {
    #[derive(Default)]
    struct Dated {
        logins: AtomicU32,
        last_login: AtomicU32,
    }
    #[derive(Default)]
    struct Undated {
        logins: AtomicU32,
    }
    let _receiver = USER_LOGGED_IN
        .options()
        .sender(Sender::of::<Dated>())
        .dispatch_uid("update_last_login")
        .connect(|_, event| {
            let user = event.user::<Dated>().unwrap();
            user.last_login.store(1_700_000_000, Ordering::Relaxed);
        })
        .scoped();

    let (dated, undated) = (Dated::default(), Undated::default());
    USER_LOGGED_IN
        .from(Sender::of::<Dated>())
        .send(&UserLoggedIn::new(&dated));
    USER_LOGGED_IN
        .from(Sender::of::<Undated>())
        .send(&UserLoggedIn::new(&undated));
    assert_eq!(dated.last_login.into_inner(), 1_700_000_000);
    assert_eq!(dated.logins.into_inner() + undated.logins.into_inner(), 0);
    assert!(!USER_LOGGED_IN.from(Sender::of::<Undated>()).has_listeners());
}

#[test]
fn an_async_receiver_gets_the_same() {
    struct User(&'static str);
    let seen = leaked(Vec::new());
    let _receiver = USER_LOGGED_IN
        .options()
        .sender(Sender::of::<User>())
        .connect_async(move |_, event| {
            Box::pin(async move { seen.lock().unwrap().push(event.user::<User>().unwrap().0) })
        })
        .scoped();

    let ada = User("ada");
    let event = UserLoggedIn::new(&ada);
    // A log-in runs in a task of a server, which may move between threads.
    let sent = must_be_send(USER_LOGGED_IN.from(Sender::of::<User>()).asend(&event));
    pollster::block_on(sent);
    assert_eq!(*seen.lock().unwrap(), ["ada"]);
}

fn must_be_send<F: Future + Send>(future: F) -> F {
    future
}

fn leaked<T>(value: T) -> &'static Mutex<T> {
    Box::leak(Box::new(Mutex::new(value)))
}
