//! The hosts that the site answers for. A page of another site can point its own name at this
//! machine (DNS rebinding) and then read the responses that it fetches from there, unless its name
//! is refused.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{Request, Response, StatusCode};
use tower_http::validate_request::ValidateRequest;

use crate::{Fatal, setting};

/// The names of the machine itself. Browsers resolve them without asking anybody.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Refuses requests for a host that is not in the list: 421 if it is another, 400 if the request
/// names no host or several. Ports do not count.
#[derive(Clone)]
pub(crate) struct KnownHosts(Arc<[String]>);

impl KnownHosts {
    /// The names of the machine itself, and the names in `ALLOWED_HOSTS`.
    pub(crate) fn from_environment() -> Result<Self, Fatal> {
        let allowed = setting("ALLOWED_HOSTS")?.unwrap_or_default();
        let mut hosts = LOCAL.map(str::to_owned).to_vec();
        for name in allowed.split(',').map(str::trim) {
            match name.parse::<Authority>() {
                _ if name.is_empty() => {}
                Ok(host) if host.host() == name => hosts.push(normal(name)),
                _ => {
                    let mend = "give names without ports, separated by commas";
                    return Err(format!("ALLOWED_HOSTS has {name:?}: {mend}").into());
                }
            }
        }
        Ok(KnownHosts(hosts.into()))
    }
}

/// The name in small letters and without the dot that can end it.
fn normal(host: &str) -> String {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.to_ascii_lowercase()
}

/// Returns the host of the request: of its target if that has one, else of its only `Host` header.
fn host<B>(request: &Request<B>) -> Option<Authority> {
    let mut headers = request.headers().get_all(HOST).iter();
    let (header, second) = (headers.next()?, headers.next());
    let header = Authority::try_from(header.as_bytes()).ok();
    let host = request.uri().authority().cloned().or(header)?;
    (second.is_none() && !host.as_str().contains('@')).then_some(host)
}

impl<B> ValidateRequest<B> for KnownHosts {
    type ResponseBody = Body;

    fn validate(&mut self, request: &mut Request<B>) -> Result<(), Response<Body>> {
        let status = match host(request) {
            Some(host) if self.0.contains(&normal(host.host())) => return Ok(()),
            Some(_) => StatusCode::MISDIRECTED_REQUEST,
            None => StatusCode::BAD_REQUEST,
        };
        let mut refused = Response::new(Body::empty());
        *refused.status_mut() = status;
        Err(refused)
    }
}
