//! Responses: a page or JSON as `Accept` asks, errors with a body and safe headers, and hosts that
//! are not served.

use reqwest::Response;
use reqwest::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::common::{ADA, OLD, Site};

const FORGOT: &str = "POST /user/account/forgot-password HTTP/1.1\r\n";

/// Returns the last response of a connection: its status, its head, and its body.
fn parsed(response: &str) -> (u16, &str, &str) {
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), head, body)
}

/// Asserts that a page or a JSON object with one sentence comes with the headers that each response
/// has.
fn is_safe(response: &str, is_json: bool) {
    let (_, head, body) = parsed(response);
    let kind = match is_json {
        true => "content-type: application/json",
        false => "content-type: text/html; charset=utf-8",
    };
    for header in [
        kind,
        "cache-control: no-store",
        "content-security-policy: default-src 'none'; style-src 'self'; ",
        "cross-origin-opener-policy: same-origin",
        "cross-origin-resource-policy: same-origin",
        "referrer-policy: same-origin",
        "x-content-type-options: nosniff",
    ] {
        let found = head.lines().filter(|line| line.starts_with(header));
        assert_eq!(found.count(), 1, "{header} in {response}");
    }
    if is_json {
        let body: Value = serde_json::from_str(body).unwrap();
        assert!(body["message"].as_str().is_some_and(|it| it.len() > 9));
    } else {
        assert!(body.contains("id=\"message\""), "{response}");
        assert!(body.contains("href=\"/\""), "no way home in {response}");
    }
}

#[tokio::test]
async fn each_error_has_a_body_and_safe_headers() {
    let site = Site::start(&[]).await;
    site.sql("DROP TABLE reset_request").await;
    let (local, form) = (
        "host: localhost\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
    );
    let from_elsewhere = "origin: http://evil.example\r\ncontent-length: 0\r\n";
    let filled = "content-length: 21\r\n\r\nemail=ada@example.org";
    for (status, request) in [
        (400, "GET / HTTP/1.1\r\n".to_owned()),
        (400, format!("GET / HTTP/1.1\r\n{local}{local}")),
        (403, format!("{FORGOT}{local}{from_elsewhere}")),
        (404, format!("GET /nowhere HTTP/1.1\r\n{local}")),
        (405, format!("DELETE /log-in HTTP/1.1\r\n{local}")),
        (405, format!("GET /user/account/login HTTP/1.1\r\n{local}")),
        (413, format!("{FORGOT}{local}content-length: 3000000\r\n")),
        (415, format!("{FORGOT}{local}content-length: 0\r\n")),
        (421, "GET / HTTP/1.1\r\nhost: evil.example\r\n".to_owned()),
        (422, format!("{FORGOT}{local}{form}content-length: 0\r\n")),
        (500, format!("{FORGOT}{local}{form}{filled}")),
    ] {
        for is_json in [false, true] {
            let accept = if is_json { "application/json" } else { "*/*" };
            let more = format!("HTTP/1.1\r\nconnection: close\r\naccept: {accept}\r\n");
            let mut request = request.replacen("HTTP/1.1\r\n", &more, 1);
            if !request.contains("\r\n\r\n") {
                request += "\r\n";
            }
            let response = site.raw(request.as_bytes()).await;
            assert_eq!(parsed(&response).0, status, "{request} has {response}");
            is_safe(&response, is_json);
        }
    }
}

#[tokio::test]
async fn a_405_names_the_methods_that_are_allowed() {
    let site = Site::start(&[]).await;
    let url = site.url("/user/account/login");
    let response = site.client.get(url).send().await.unwrap();
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()[ALLOW], "POST");
}

/// The body is cut off by the limit of 30 seconds, and the connection with it.
#[tokio::test]
async fn a_slow_body_has_a_408_with_a_page() {
    let site = Site::start(&[]).await;
    let head = format!("{FORGOT}host: localhost\r\ncontent-length: 9\r\n\r\nemail");
    let response = site.raw(head.as_bytes()).await;
    assert_eq!(parsed(&response).0, 408, "{response}");
    is_safe(&response, false);
}

/// Browsers send `Sec-Fetch-Site`, which no proxy rewrites, besides `Origin`.
#[tokio::test]
async fn a_form_of_another_site_is_refused_by_sec_fetch_site() {
    let site = Site::start(&[]).await;
    let (own, other) = (&*site.program().url, "http://evil.example");
    for (fetch_site, origin, status) in [
        ("cross-site", None, 403),
        ("same-site", None, 403),
        ("cross-site", Some(own), 403),
        ("same-origin", Some(own), 202),
        ("same-origin", Some(other), 202),
        ("none", None, 202),
    ] {
        let request = site.client.post(site.url("/user/account/forgot-password"));
        let request = request.header("sec-fetch-site", fetch_site);
        let request = match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        let response = request.form(&[("email", ADA)]).send().await.unwrap();
        assert_eq!(response.status(), status, "{fetch_site}, {origin:?}");
    }
}

/// A page of another site can point its name at this machine, and then reads the responses.
#[tokio::test]
async fn a_host_of_another_name_is_refused() {
    let site = Site::start(&[("ALLOWED_HOSTS", "Login.Example.org, other.example")]).await;
    site.register(ADA).await;
    site.forgot_and_mailed(1).await;
    for (status, target, host) in [
        (200, "/dev/mailbox", "127.0.0.1"),
        (200, "/dev/mailbox", "LOCALHOST:81"),
        (200, "/dev/mailbox", "localhost.:81"),
        (200, "/dev/mailbox", "[::1]:81"),
        (200, "/dev/mailbox", "login.example.org"),
        (200, "/dev/mailbox", "other.example:443"),
        (200, "http://localhost/dev/mailbox", "localhost"),
        (421, "/dev/mailbox", "evil.example"),
        (421, "/dev/mailbox", "example.org"),
        (421, "/dev/mailbox", "127.0.0.1.evil.example"),
        (421, "/dev/mailbox", "evil.example:8000"),
        (421, "/style.css", "evil.example"),
        (421, "/nowhere", "evil.example"),
        (421, "http://evil.example/dev/mailbox", "localhost"),
        (400, "/dev/mailbox", "localhost@evil.example"),
        (400, "/dev/mailbox", "evil.example@localhost"),
        (400, "/dev/mailbox", "evil.example, localhost"),
        (400, "/dev/mailbox", ""),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let response = site.raw(head.as_bytes()).await;
        assert_eq!(parsed(&response).0, status, "{head}");
        let has_mail = response.contains("one-time password: ");
        assert_eq!(has_mail, status == 200, "{head}");
    }
}

/// Returns `true` if the response is JSON, and not a page.
fn is_json(response: &Response) -> bool {
    let kind = response.headers()[CONTENT_TYPE].to_str().unwrap();
    assert!(kind == "application/json" || kind == "text/html; charset=utf-8");
    kind == "application/json"
}

#[tokio::test]
async fn a_response_looks_as_the_request_accepts() {
    let site = Site::with_ada().await;
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (accept, sent_form, sent_json) in [
        ("", false, true),
        ("*/*", false, true),
        ("application/*", true, true),
        ("image/png", false, true),
        ("n/o t/a;t=y pe", false, true),
        (browser, false, false),
        ("text/html", false, false),
        ("application/json", true, true),
        ("application/json;q=0.5, text/html", false, false),
        ("text/html;q=0.5, application/json", true, true),
        ("application/json;q=0, */*", false, false),
    ] {
        for (password, status) in [(OLD, 200), ("wrong horse", 403)] {
            let fields = json!({ "email": ADA, "password": password });
            let request = || {
                let request = site.client.post(site.url("/user/account/login"));
                match accept {
                    "" => request,
                    accept => request.header(ACCEPT, accept),
                }
            };
            let form = request().form(&fields).send().await.unwrap();
            let json = request().json(&fields).send().await.unwrap();
            assert_eq!(
                (form.status().as_u16(), json.status().as_u16()),
                (status, status)
            );
            let looks = (is_json(&form), is_json(&json));
            assert_eq!(looks, (sent_form, sent_json), "{accept}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_large_is_refused_unread() {
    let site = Site::start(&[]).await;
    let head = format!("{FORGOT}host: localhost\r\ncontent-length: 3000000\r\n\r\n");
    // The rest never comes.
    let response = site.raw(head.as_bytes()).await;
    assert_eq!(parsed(&response).0, 413);
}
