//! A client that sends many requests is refused for a while, and delays no other.

use std::time::Instant;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::common::{ADA, NEW, OLD, Site};

const HEADER: (&str, &str) = ("CLIENT_HEADER", "x-real-ip");

/// Sends a request as the proxy would pass it on for this client.
async fn post(site: &Site, client: &str, what: &str, fields: &Value) -> reqwest::Response {
    let request = site.client.post(site.url(&format!("/user/account/{what}")));
    let request = request.header("x-real-ip", client).json(fields);
    request.send().await.unwrap()
}

#[tokio::test]
async fn each_client_has_limits_for_each_kind_of_request() {
    let site = Site::start(&[HEADER, ("LIMITS", "on")]).await;
    let fields = json!({
        "email": "nobody@example.org", "password": OLD, "one_time_password": "x",
        "new_password": NEW,
    });
    for (what, burst, status) in [
        ("register", 10, 200),
        ("login", 20, 200),
        ("forgot-password", 10, 202),
        ("reset-password", 30, 403),
    ] {
        let mut served = 0;
        let refused = loop {
            let response = post(&site, "192.0.2.1", what, &fields).await;
            if response.status() == 429 {
                break response;
            }
            assert_eq!(response.status(), status, "{what}");
            served += 1;
            // Each period is 2 s or more. On a slow machine some of them pass meanwhile.
            assert!(served < 20 * burst, "{what}: {served} were served");
        };
        assert!(served >= burst, "{what}: {served} were served");
        let seconds = refused.headers()["retry-after"].to_str().unwrap();
        assert!(
            (1..=61).contains(&seconds.parse::<u64>().unwrap()),
            "{seconds}"
        );

        let other = post(&site, "192.0.2.2", what, &fields).await;
        assert_eq!(other.status(), status, "{what}");
    }
}

/// The proxy adds the address to those that the client has sent.
#[tokio::test]
async fn a_client_cannot_choose_its_address() {
    let header = [("CLIENT_HEADER", "x-forwarded-for"), ("LIMITS", "on")];
    let site = Site::start(&header).await;
    let mut refused = 0;
    for n in 0..20 {
        let request = site.client.post(site.url("/user/account/forgot-password"));
        let request = request.header("x-forwarded-for", format!("198.51.100.{n}, 192.0.2.1"));
        let response = request.json(&json!({ "email": ADA })).send().await.unwrap();
        refused += u32::from(response.status() == 429);
    }
    // One more is served after a minute, on a slow machine.
    assert!(refused >= 9, "{refused} were refused");
}

#[tokio::test]
async fn all_clients_together_have_a_limit() {
    let site = Site::start(&[HEADER, ("LIMITS", "on")]).await;
    // Below the limit, the response to an address of no form comes without a look-up and a hash.
    let fields = json!({ "email": "nobody", "password": OLD });
    let (mut served, mut refused) = (0, 0);
    for network in 0..200 {
        let clients: Vec<_> = (0..50).map(|n| format!("10.0.{network}.{n}")).collect();
        let asked = clients.iter().map(|it| post(&site, it, "login", &fields));
        for response in join_all(asked).await {
            match response.status().as_u16() {
                422 => served += 1,
                429 => refused += 1,
                status => panic!("a response of {status}"),
            }
        }
        if refused > 0 {
            break;
        }
    }
    assert!(served >= 400, "{served} were served");
    assert!(refused > 0, "{served} clients at once were all served");
}

#[tokio::test]
async fn a_flood_of_log_ins_of_one_client_does_not_delay_another() {
    let site = Site::start(&[HEADER, ("LIMITS", "on")]).await;
    site.register(ADA).await;
    let wrong = json!({ "email": ADA, "password": "a wrong one" });
    let right = json!({ "email": ADA, "password": OLD });
    let is_flooded = Notify::new();
    let flood = (0..300).map(async |_| {
        let response = post(&site, "192.0.2.1", "login", &wrong).await;
        if response.status() == 429 {
            is_flooded.notify_one();
        }
        response
    });
    let flood = async {
        let flood = join_all(flood).await;
        is_flooded.notify_one();
        flood
    };
    let hers = async {
        is_flooded.notified().await;
        let began = Instant::now();
        let response = post(&site, "192.0.2.2", "login", &right).await;
        (response.status(), began.elapsed())
    };
    let (flood, (status, took)) = tokio::join!(flood, hers);
    println!("her log-in took {took:.1?}");
    assert_eq!(status, 200);
    let hashed = flood.iter().filter(|it| it.status() == 403).count();
    let refused = flood.iter().filter(|it| it.status() == 429).count();
    assert_eq!(hashed + refused, 300);
    // 20, and one more in 3 s.
    assert!((20..150).contains(&hashed), "{hashed} were hashed");
}

/// If countless clients ask, those are refused that would keep the others waiting.
#[tokio::test]
async fn log_ins_that_would_wait_long_for_a_hash_are_refused() {
    let site = Site::with_ada().await;
    site.slow_down_log_ins(ADA, 3).await;
    let logins = (0..300).map(|_| site.login(OLD));
    let statuses = join_all(logins).await;
    let of = |status: u16| statuses.iter().filter(|it| **it == status).count();
    // On a slow machine a hash may come after the time of its request.
    let waited = of(403) + of(408);
    assert_eq!(waited + of(503), 300, "{statuses:?}");
    assert!(waited >= 64, "{waited} waited");
    assert!(of(503) > 0, "all waited");
    assert_eq!(site.login(OLD).await, 403);
}

/// Some proxies write the port as well, which differs from request to request.
#[tokio::test]
async fn a_client_is_known_by_its_address_without_its_port() {
    let site = Site::start(&[HEADER, ("LIMITS", "on")]).await;
    let fields = json!({ "email": ADA });
    let mut refused = 0;
    for port in 4_711..4_731 {
        let client = format!("192.0.2.1:{port}");
        let response = post(&site, &client, "forgot-password", &fields).await;
        refused += u32::from(response.status() == 429);
    }
    assert_eq!(refused, 10);
    let other = post(&site, "[2001:db8::1]:80", "forgot-password", &fields).await;
    assert_eq!(other.status(), 202);
}

#[tokio::test]
async fn a_request_without_the_header_is_logged_once() {
    let site = Site::start(&[HEADER]).await;
    let fields = json!({ "email": ADA });
    for client in ["unknown", "", "nobody"] {
        let response = post(&site, client, "forgot-password", &fields).await;
        assert_eq!(response.status(), 202);
    }
    let line = "CLIENT_HEADER: a request has no address in x-real-ip, but \"unknown\": ";
    site.logged(1, line).await;
    site.logged(1, "CLIENT_HEADER: ").await;
}
