//! HTTP: the routes, what comes in as a form or as JSON, what goes out, and what is refused.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Form, Json, Router};
use fanfare_tower::{RequestError, SignalLayer};
use maud::Markup;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration as CookieDuration;
use tower_sessions::{Expiry, MemoryStore, Session, SessionManagerLayer};

use crate::limits::TooMany;
use crate::{App, account, page, reset};

/// What a body may be.
const BODY_LIMIT: usize = 16 * 1024;
/// What is read of it: who is cut off while they write may not get to read why.
const READ_LIMIT: usize = 2 * 1024 * 1024;

pub(crate) fn router(app: App) -> Router {
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_secure(std::env::var_os("SECURE_COOKIES").is_some())
        .with_expiry(Expiry::OnInactivity(CookieDuration::hours(12)));
    let mut router = Router::new()
        .route("/", get(home))
        .route("/user/account/register", post(account::register))
        .route("/user/account/login", post(account::login))
        .route("/user/account/logout", post(account::logout))
        .route("/user/account/forgot-password", post(reset::forgot))
        .route("/user/account/reset-password", post(reset::reset));
    if app.post.mailbox().is_some() {
        router = router.route("/dev/mailbox", get(mailbox));
    }
    router
        .with_state(app)
        .layer(sessions)
        .layer(from_fn(guard))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            Duration::from_secs(30),
        ))
        .layer(SignalLayer::new())
        .layer(CatchPanicLayer::new())
}

async fn home(State(app): State<App>, session: Session) -> Result<Markup, Failure> {
    let user = account::current_user(&app.db, &session).await?;
    Ok(page::home(user.as_ref(), app.post.mailbox().is_some()))
}

async fn mailbox(State(app): State<App>) -> Markup {
    page::mailbox(&app.post.mailbox().unwrap_or_default())
}

/// The fields of a form or of a JSON object.
pub(crate) struct Input<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, READ_LIMIT).await;
        let Some(body) = body.ok().filter(|body| body.len() <= BODY_LIMIT) else {
            return Err(Failure::TooLarge);
        };
        let request = Request::from_parts(head, Body::from(body));
        if is_json(request.headers(), header::CONTENT_TYPE) {
            let read = Json::from_request(request, state).await;
            let read = read.map_err(|it| Failure::Unreadable(it.status(), it.body_text()));
            read.map(|Json(fields)| Input(fields))
        } else {
            let read = Form::from_request(request, state).await;
            let read = read.map_err(|it| Failure::Unreadable(it.status(), it.body_text()));
            read.map(|Form(fields)| Input(fields))
        }
    }
}

/// What a request is answered with: one sentence, which [`guard`] makes a page or JSON of.
#[derive(Clone)]
pub(crate) struct Reply(pub(crate) StatusCode, pub(crate) String);

impl Reply {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Reply(status, message.into())
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        (self.0, Extension(self)).into_response()
    }
}

/// Why a request is not answered as hoped.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Axum could not read the body.
    Unreadable(StatusCode, String),
    TooLarge,
    /// A field is not what it should be.
    Invalid(&'static str),
    /// Log-in or reset with the wrong secret.
    Refused(&'static str),
    CrossOrigin,
    TooMany(TooMany),
    Internal(Box<dyn Error + Send + Sync>),
}

/// `?` takes any error; what it says stays in the log.
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
            Failure::CrossOrigin => f.write_str("The request comes from another site."),
            Failure::TooMany(refused) => write!(f, "{refused}"),
            Failure::Internal(error) => write!(f, "{error}"),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self {
            Failure::Unreadable(status, _) => status,
            Failure::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Failure::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Failure::Refused(_) | Failure::CrossOrigin => StatusCode::FORBIDDEN,
            Failure::TooMany(TooMany { status, seconds }) => {
                let wait = [(header::RETRY_AFTER, seconds)];
                return (wait, Reply::new(status, self.to_string())).into_response();
            }
            Failure::Internal(error) => {
                let told = Extension(RequestError::new(error));
                let sorry = "Something went wrong here. Please try again later.";
                return (told, Reply::new(StatusCode::INTERNAL_SERVER_ERROR, sorry))
                    .into_response();
            }
        };
        Reply::new(status, self.to_string()).into_response()
    }
}

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

/// Refuses forms of other sites, and gives each [`Reply`] its looks and each response its headers.
async fn guard(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let wants_json = is_json(headers, header::CONTENT_TYPE) || is_json(headers, header::ACCEPT);
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = if is_safe || is_same_origin(headers) {
        next.run(request).await
    } else {
        Failure::CrossOrigin.into_response()
    };
    if let Some(Reply(_, message)) = response.extensions_mut().remove() {
        let shown = if wants_json {
            Json(Message { message: &message }).into_response()
        } else {
            page::message(&message).into_response()
        };
        response.headers_mut().remove(header::CONTENT_LENGTH);
        let (shown, body): (_, Body) = shown.into_parts();
        response.headers_mut().extend(shown.headers);
        *response.body_mut() = body;
    }
    for (name, value) in SAFE_HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

const SAFE_HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// Browsers send `Origin` with every POST. What sends none has no cookies that it was not given.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let origin = origin.to_str().ok().and_then(|it| it.split_once("://"));
    origin.is_some_and(|(_, authority)| Some(authority.as_bytes()) == host)
}

fn is_json(headers: &HeaderMap, name: HeaderName) -> bool {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    let kind = value.and_then(|value| value.split([';', ',']).next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
