//! HTTP: the routes, the layers around them, the fields of requests, and the failures.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use axum::extract::{FromRef, FromRequest, Request, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Json, Router};
use fanfare_tower::{RequestError, SignalLayer};
use maud::Markup;
use serde::de::DeserializeOwned;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::response::SetMultipleResponseHeadersLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::validate_request::ValidateRequestHeaderLayer;
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration as CookieDuration;
use tower_sessions::{Expiry, MemoryStore, Session, SessionManagerLayer};

use crate::host::KnownHosts;
use crate::limits::TooMany;
use crate::page::{self, Form, Site};
use crate::respond::{Filled, Responder, StyledReply, draw_errors, is_json};
use crate::{App, account, reset};

/// The largest body that is used.
pub(crate) const BODY_LIMIT: usize = 16 * 1024;
/// The largest body that is read. A client that is cut off while it writes may never read the 413.
const READ_LIMIT: usize = 2 * 1024 * 1024;
/// The time for a request from the end of its head to the response, and so for its body.
const TIME_LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn router(app: App, hosts: KnownHosts, has_secure_cookies: bool) -> Router {
    let site = Site::from_ref(&app);
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_secure(has_secure_cookies)
        .with_expiry(Expiry::OnInactivity(CookieDuration::hours(12)));
    let mut router = Router::new()
        .route("/", get(home))
        .route(page::STYLE, get(page::style));
    for form in Form::ALL {
        router = router.route(
            form.path(),
            get(async move || page::form(site, form, "", None)),
        );
    }
    if site.has_mailbox {
        router = router.route(page::MAILBOX, get(mailbox));
    }
    let router = router.merge(accounts()).with_state(app).layer(sessions);
    guarded(router, site, hosts)
}

/// The addresses that the forms are sent to.
fn accounts() -> Router<App> {
    Router::new()
        .route(
            "/user/account/register",
            post(|app, client, filled: Filled<_>| {
                filled.respond(Form::SignUp, move |input| {
                    account::register(app, client, input)
                })
            }),
        )
        .route(
            "/user/account/login",
            post(|app, client, session, head, filled: Filled<_>| {
                filled.respond(Form::LogIn, move |input| {
                    account::login(app, client, session, head, input)
                })
            }),
        )
        .route(
            "/user/account/logout",
            post(async |app, session, head, responder: Responder| {
                responder.respond(account::logout(app, session, head).await)
            }),
        )
        .route(
            "/user/account/forgot-password",
            post(|app, client, filled: Filled<_>| {
                filled.respond(Form::Forgot, move |input| reset::forgot(app, client, input))
            }),
        )
        .route(
            "/user/account/reset-password",
            post(|app, client, filled: Filled<_>| {
                filled.respond(Form::Reset, move |input| reset::reset(app, client, input))
            }),
        )
}

/// Puts the layers around the routes. Each request passes them from the last to the first.
fn guarded(router: Router, site: Site, hosts: KnownHosts) -> Router {
    router
        .layer(CsrfLayer::new())
        .layer(RequestBodyLimitLayer::new(READ_LIMIT))
        .layer(ValidateRequestHeaderLayer::custom(hosts))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            TIME_LIMIT,
        ))
        .layer(from_fn_with_state(site, draw_errors))
        .layer(SignalLayer::new())
        .layer(CatchPanicLayer::new())
        // Once more, for the response to a panic.
        .layer(from_fn_with_state(site, draw_errors))
        .layer(SetMultipleResponseHeadersLayer::overriding(
            SAFE_HEADERS
                .map(|(name, value)| (name, HeaderValue::from_static(value)).into())
                .to_vec(),
        ))
}

const SAFE_HEADERS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

async fn home(
    State(app): State<App>,
    State(site): State<Site>,
    session: Session,
    responder: Responder,
) -> Result<Markup, StyledReply> {
    let user = account::current_user(&app.db, &session).await;
    let user = user.map_err(|failure| responder.respond(Err(failure)))?;
    Ok(page::home(site, user.as_ref()))
}

async fn mailbox(State(app): State<App>) -> Markup {
    page::mailbox(&app.post.mailbox().unwrap_or_default())
}

/// The fields of a form or of a JSON object.
pub(crate) struct Input<T>(pub(crate) T);

/// Reads the fields from the body of a request.
pub(crate) async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Failure> {
    if is_json(request.headers(), header::CONTENT_TYPE) {
        let read = Json::from_request(request, &()).await;
        let read = read.map_err(|it| Failure::Unreadable(it.status(), it.body_text()));
        read.map(|Json(fields)| fields)
    } else {
        let read = axum::Form::from_request(request, &()).await;
        let read = read.map_err(|it| Failure::Unreadable(it.status(), it.body_text()));
        read.map(|axum::Form(fields)| fields)
    }
}

/// The response to a request: its status and one sentence. A [`StyledReply`] gives it its looks.
pub(crate) struct Reply(pub(crate) StatusCode, pub(crate) String);

impl Reply {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Reply(status, message.into())
    }
}

/// The sentence for a failure inside, whose reason stays in the log.
pub(crate) const SORRY: &str = "Something went wrong here. Please try again later.";

/// The reason why a request fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Axum could not read the body.
    Unreadable(StatusCode, String),
    TooLarge,
    /// The value of a field is not valid.
    Invalid(&'static str),
    /// Log-in or reset with the wrong secret.
    Refused(&'static str),
    TooMany(TooMany),
    Internal(Box<dyn Error + Send + Sync>),
}

/// Converts any error for `?`. Its text stays in the log.
impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Internal(error.into())
    }
}

impl From<TooMany> for Failure {
    fn from(refused: TooMany) -> Self {
        Failure::TooMany(refused)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unreadable(_, why) => f.write_str(why),
            Failure::TooLarge => write!(f, "The body is larger than {BODY_LIMIT} bytes."),
            Failure::Invalid(why) | Failure::Refused(why) => f.write_str(why),
            Failure::TooMany(refused) => write!(f, "{refused}"),
            Failure::Internal(error) => write!(f, "{error}"),
        }
    }
}

impl Failure {
    /// Returns the reply, its headers, and the reason if the failure is inside.
    pub(crate) fn into_reply(self) -> (Reply, HeaderMap, Option<RequestError>) {
        let mut headers = HeaderMap::new();
        let status = match self {
            Failure::Unreadable(status, _) => status,
            Failure::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Failure::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Failure::Refused(_) => StatusCode::FORBIDDEN,
            Failure::TooMany(TooMany { status, seconds }) => {
                headers.insert(header::RETRY_AFTER, seconds.into());
                status
            }
            Failure::Internal(error) => {
                let reply = Reply::new(StatusCode::INTERNAL_SERVER_ERROR, SORRY);
                return (reply, headers, Some(RequestError::new(error)));
            }
        };
        (Reply::new(status, self.to_string()), headers, None)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::Service as _;

    use super::*;

    /// A panic passes most layers by.
    #[tokio::test]
    async fn the_response_to_a_panic_has_a_page_and_safe_headers() {
        let panics = get(async || -> &'static str { panic!("on purpose") });
        let router = Router::new().route("/panic", panics);
        let site = Site { has_mailbox: false };
        let mut router = guarded(router, site, KnownHosts::from_environment().unwrap());
        let request = Request::get("/panic").header(header::HOST, "localhost");
        let response = router.call(request.body(Body::empty()).unwrap()).await;
        let response = response.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in SAFE_HEADERS {
            assert_eq!(response.headers()[&name], value);
        }
        let page = to_bytes(response.into_body(), BODY_LIMIT).await.unwrap();
        let page = String::from_utf8(page.to_vec()).unwrap();
        assert!(page.contains(SORRY), "{page}");
        assert!(!page.contains("on purpose"), "{page}");
    }
}
