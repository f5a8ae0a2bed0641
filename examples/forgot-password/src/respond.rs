//! Responses: a page for a browser, JSON for a program, as the `Accept` of the request asks.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use fanfare_tower::RequestError;
use headers_accept::Accept;
use mediatype::MediaType;
use mediatype::names::{APPLICATION, HTML, JSON, TEXT};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::page::{self, Form, Note, Site};
use crate::web::{self, BODY_LIMIT, Failure, Input, Reply};

const PAGE: MediaType<'static> = MediaType::new(TEXT, HTML);
const OBJECT: MediaType<'static> = MediaType::new(APPLICATION, JSON);

/// Makes responses that look as this request asks. A handler extracts it.
#[derive(Clone, Copy)]
pub(crate) struct Responder {
    is_json: bool,
    site: Site,
}

impl<S: Send + Sync> FromRequestParts<S> for Responder
where
    Site: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let is_json = is_json_wanted(&head.headers);
        let site = Site::from_ref(state);
        Ok(Responder { is_json, site })
    }
}

/// Returns `true` if `Accept` prefers JSON to a page, or has no preference and the body is JSON.
fn is_json_wanted(headers: &HeaderMap) -> bool {
    let sent_json = is_json(headers, header::CONTENT_TYPE);
    let available = if sent_json {
        [OBJECT, PAGE]
    } else {
        [PAGE, OBJECT]
    };
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok()?.parse::<Accept>().ok());
    let chosen = accept.and_then(|accept| accept.negotiate(&available).cloned());
    chosen.map_or(sent_json, |chosen| chosen == OBJECT)
}

pub(crate) fn is_json(headers: &HeaderMap, name: HeaderName) -> bool {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    let kind = value.and_then(|value| MediaType::parse(value).ok());
    kind.is_some_and(|kind| kind.essence() == OBJECT)
}

impl Responder {
    /// Responds with one sentence, on a page of its own for a browser.
    pub(crate) fn respond(self, outcome: Result<Reply, Failure>) -> StyledReply {
        self.with_form(outcome, None)
    }

    fn with_form(
        self,
        outcome: Result<Reply, Failure>,
        form: Option<(Form, Option<String>)>,
    ) -> StyledReply {
        let (reply, headers, error) = match outcome {
            Ok(reply) => (reply, HeaderMap::new(), None),
            Err(failure) => failure.into_reply(),
        };
        StyledReply {
            responder: self,
            reply,
            headers,
            error,
            form,
        }
    }
}

/// The response to a request, as its [`Responder`] makes it.
pub(crate) struct StyledReply {
    responder: Responder,
    reply: Reply,
    headers: HeaderMap,
    /// The reason of a failure inside, for `got_request_exception`.
    error: Option<RequestError>,
    /// The form that a page shows below the sentence, with the address that was typed.
    form: Option<(Form, Option<String>)>,
}

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

/// Marks the responses that a [`StyledReply`] drew.
#[derive(Clone, Copy)]
struct Drawn;

impl IntoResponse for StyledReply {
    fn into_response(self) -> Response {
        let Reply(status, text) = &self.reply;
        let note = Note {
            text,
            is_error: !status.is_success(),
        };
        let site = self.responder.site;
        let body = match &self.form {
            _ if self.responder.is_json => Json(Message { message: text }).into_response(),
            Some((form, email)) => {
                let email = email.as_deref().unwrap_or_default();
                page::form(site, *form, email, Some(note)).into_response()
            }
            None => page::notice(site, title(*status), note).into_response(),
        };
        let error = self.error.map(Extension);
        (*status, self.headers, error, Extension(Drawn), body).into_response()
    }
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "Not found",
        status if status.is_success() => "Done",
        status if status.is_server_error() => "Sorry",
        _ => "That did not work",
    }
}

/// A form that was filled in, and the address that the next form shows again.
pub(crate) struct Filled<T> {
    responder: Responder,
    email: Option<String>,
    input: Result<Input<T>, Failure>,
}

#[derive(Deserialize)]
struct Address {
    email: String,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Filled<T>
where
    Site: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let (mut head, body) = request.into_parts();
        let responder = Responder::from_request_parts(&mut head, state).await?;
        let request = Request::from_parts(head.clone(), body);
        let body = match Bytes::from_request(request, state).await {
            Ok(body) if body.len() <= BODY_LIMIT => Ok(body),
            Err(rejection) if rejection.status() != StatusCode::PAYLOAD_TOO_LARGE => Err(
                Failure::Unreadable(rejection.status(), rejection.body_text()),
            ),
            _ => Err(Failure::TooLarge),
        };
        let request = |body: &Bytes| Request::from_parts(head.clone(), Body::from(body.clone()));
        let (email, input) = match body {
            Ok(body) => {
                let address = web::read::<Address>(request(&body)).await;
                let email = address.ok().map(|typed| typed.email);
                (email, web::read(request(&body)).await.map(Input))
            }
            Err(failure) => (None, Err(failure)),
        };
        Ok(Filled {
            responder,
            email,
            input,
        })
    }
}

impl<T> Filled<T> {
    /// Hands the fields to the handler and responds with its outcome. A page then shows the next
    /// form, or the same one again after a failure.
    pub(crate) async fn respond<F>(
        self,
        form: Form,
        handle: impl FnOnce(Input<T>) -> F,
    ) -> StyledReply
    where
        F: Future<Output = Result<Reply, Failure>>,
    {
        let outcome = match self.input {
            Ok(input) => handle(input).await,
            Err(failure) => Err(failure),
        };
        let next = match &outcome {
            Ok(_) => form.next(),
            Err(_) => Some(form),
        };
        let next = next.map(|form| (form, self.email));
        self.responder.with_form(outcome, next)
    }
}

/// Draws the errors that come from no handler: of the router, and of the layers inside this one.
/// Their headers stay, such as the `Allow` of a 405.
pub(crate) async fn draw_errors(
    method: Method,
    responder: Responder,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.extensions().get::<Drawn>().is_some() {
        return response;
    }
    let sentence = match status {
        StatusCode::BAD_REQUEST => "The request has to name one host.".to_owned(),
        StatusCode::FORBIDDEN => "The request comes from another site.".to_owned(),
        StatusCode::NOT_FOUND => "There is no page at this address.".to_owned(),
        StatusCode::METHOD_NOT_ALLOWED => format!("This address does not take {method}."),
        StatusCode::REQUEST_TIMEOUT => "The request took too long.".to_owned(),
        StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge.to_string(),
        StatusCode::MISDIRECTED_REQUEST => "This site does not answer for that host.".to_owned(),
        StatusCode::TOO_MANY_REQUESTS => "Too many requests. Please try again later.".to_owned(),
        status if status.is_server_error() => web::SORRY.to_owned(),
        status => status.canonical_reason().unwrap_or("Refused").to_owned(),
    };
    let reply = responder.respond(Ok(Reply::new(status, sentence)));
    let (mut head, _) = response.into_parts();
    let (drawn, body) = reply.into_response().into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.extend(drawn.headers);
    head.extensions.extend(drawn.extensions);
    Response::from_parts(head, body)
}
