//! Limits of requests, for each client and in all.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::{Arc, Once};
use std::time::Duration;

use axum::extract::rejection::ExtensionRejection;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, NotUntil, Quota, RateLimiter};

use crate::log::log;
use crate::{App, Fatal, setting, switch};

type ByClient = governor::DefaultKeyedRateLimiter<IpAddr>;

/// The requests that are limited, each kind by itself.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    Register,
    LogIn,
    Forgot,
    Reset,
}

/// A number of requests at once, and after these one in each period.
struct Burst(u32, Duration);

impl Action {
    const ALL: [Action; 4] = [
        Action::Register,
        Action::LogIn,
        Action::Forgot,
        Action::Reset,
    ];

    /// The limits of each client, and of all clients together.
    ///
    /// The first is enough for a household. The second is the capacity of the program: registering
    /// and logging in take a hash, a forgotten password takes a row for a day.
    fn bursts(self) -> (Burst, Burst) {
        let each = Duration::from_millis;
        match self {
            Action::Register => (Burst(10, each(60_000)), Burst(200, each(100))),
            Action::LogIn => (Burst(20, each(3_000)), Burst(400, each(50))),
            Action::Forgot => (Burst(10, each(60_000)), Burst(400, each(50))),
            Action::Reset => (Burst(30, each(2_000)), Burst(1_000, each(10))),
        }
    }
}

/// The limiters, and where the client's address is found.
pub(crate) struct Limits {
    /// `None` if a proxy in front has limits of its own.
    limiters: Option<[(ByClient, DefaultDirectRateLimiter); 4]>,
    /// The header in which that proxy writes the address.
    header: Option<HeaderName>,
    /// Done once a request without a usable header is logged.
    without_header: Once,
}

/// The refusal of a request, because too many came before it.
#[derive(Debug)]
pub(crate) struct TooMany {
    pub(crate) status: StatusCode,
    /// The seconds after which another try makes sense.
    pub(crate) seconds: u64,
}

impl Limits {
    /// Reads `LIMITS`, which can be `off`, and `CLIENT_HEADER`.
    pub(crate) fn from_environment() -> Result<Self, Fatal> {
        let is_on = switch("LIMITS", true)?;
        let header = setting("CLIENT_HEADER")?.map(|name| {
            let header: Result<HeaderName, _> = name.parse();
            header.map_err(|error| format!("CLIENT_HEADER is {name:?}: {error}"))
        });
        let limiters = |action: Action| {
            let (each, all) = action.bursts();
            (
                RateLimiter::hashmap(each.quota()),
                RateLimiter::direct(all.quota()),
            )
        };
        Ok(Limits {
            limiters: is_on.then(|| Action::ALL.map(limiters)),
            header: header.transpose()?,
            without_header: Once::new(),
        })
    }

    /// Counts a request of the client. One that is refused for the client's own limit counts for no
    /// other client.
    pub(crate) fn check(&self, action: Action, client: Client) -> Result<(), TooMany> {
        let Some(limiters) = &self.limiters else {
            return Ok(());
        };
        let (each, all) = &limiters[action as usize];
        each.check_key(&client.0).map_err(too_many)?;
        all.check().map_err(too_many)
    }

    /// Forgets the clients that have made no request for so long that each limit is theirs again,
    /// each minute, forever.
    pub(crate) async fn upkeep(self: Arc<Self>) {
        let mut minutes = tokio::time::interval(Duration::from_secs(60));
        loop {
            minutes.tick().await;
            for (each, _) in self.limiters.iter().flatten() {
                each.retain_recent();
                each.shrink_to_fit();
            }
        }
    }
}

fn too_many(until: NotUntil<<DefaultClock as Clock>::Instant>) -> TooMany {
    let wait = until.wait_time_from(DefaultClock::default().now());
    TooMany {
        status: StatusCode::TOO_MANY_REQUESTS,
        seconds: wait.as_secs() + 1,
    }
}

impl Burst {
    fn quota(self) -> Quota {
        let quota = Quota::with_period(self.1).expect("no period here is 0");
        quota.allow_burst(NonZeroU32::new(self.0).expect("no burst here is 0"))
    }
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds;
        write!(
            f,
            "There were too many requests. Please try again in {seconds} s."
        )
    }
}

/// The client of a request: an IPv4 address, or the network of an IPv6 one, of which one household
/// has 2^64 addresses.
#[derive(Clone, Copy)]
pub(crate) struct Client(IpAddr);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        const NETWORK: u128 = !0 << 64;
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = Ipv6Addr::from_bits(address.to_bits() & NETWORK);
                Client(IpAddr::V6(network))
            }
            address => Client(address),
        }
    }
}

impl FromRequestParts<App> for Client {
    type Rejection = ExtensionRejection;

    /// Takes the last address of the header that `CLIENT_HEADER` names, since the proxy wrote that
    /// one, and the client perhaps those before it. Otherwise the address of the connection. The
    /// first request whose header is missing or unusable is logged, since it counts for the proxy.
    async fn from_request_parts(head: &mut Parts, app: &App) -> Result<Self, ExtensionRejection> {
        let limits = &app.limits;
        if let Some(name) = &limits.header {
            let last = head.headers.get_all(name).iter().next_back();
            let last = last.and_then(|last| last.to_str().ok()?.rsplit(',').next());
            if let Some(address) = last.and_then(address) {
                return Ok(address.into());
            }
            limits.without_header.call_once(|| {
                let last = last.unwrap_or_default();
                log!(
                    "CLIENT_HEADER: a request has no address in {name}, but {last:?}: it and \
                     others like it count for the proxy"
                );
            });
        }
        let ConnectInfo(address) = ConnectInfo::<SocketAddr>::from_request_parts(head, app).await?;
        Ok(address.ip().into())
    }
}

/// Reads an address as proxies write it: with a port or without, and that of IPv6 in brackets or
/// not.
fn address(written: &str) -> Option<IpAddr> {
    let written = written.trim();
    if let Ok(with_port) = written.parse::<SocketAddr>() {
        return Some(with_port.ip());
    }
    let bare = written.strip_prefix('[');
    let bare = bare.and_then(|written| written.strip_suffix(']'));
    bare.unwrap_or(written).parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Client, address};

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let client = |address: &str| Client::from(address.parse::<IpAddr>().unwrap()).0;
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:0:0:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
    }

    #[test]
    fn an_address_is_read_with_a_port_and_without() {
        for written in ["192.0.2.1", " 192.0.2.1:4711 "] {
            assert_eq!(address(written), "192.0.2.1".parse().ok(), "{written}");
        }
        for written in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80"] {
            assert_eq!(address(written), "2001:db8::1".parse().ok(), "{written}");
        }
        for written in ["", "unknown", "192.0.2.1:", "[192.0.2.1", "example.org:80"] {
            assert_eq!(address(written), None, "{written}");
        }
    }
}
