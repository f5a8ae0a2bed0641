//! Input that is malformed, too large, hostile or from elsewhere is refused with a reason, and does
//! no harm.

use std::process::Command;

use crate::common::{ADA, NEW, OLD, Site};
use serde_json::json;

const POSTS: [&str; 4] = ["register", "login", "forgot-password", "reset-password"];

#[tokio::test]
async fn a_body_that_is_no_json_or_lacks_a_field() {
    let site = Site::start(&[]).await;
    for what in POSTS {
        for (body, status) in [
            ("{\"email", 400),
            ("", 400),
            ("[]", 422),
            ("{}", 422),
            ("{\"email\": 7}", 422),
        ] {
            let request = site.client.post(site.url(&format!("/user/account/{what}")));
            let request = request
                .header("content-type", "application/json")
                .body(body);
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), status, "{what}: {body}");
            let text = response.text().await.unwrap();
            assert!(text.starts_with("{\"message\":"));
            assert!(!text.contains("struct"), "a type's name is in {text}");
        }
        let form = site.client.post(site.url(&format!("/user/account/{what}")));
        let response = form.form(&[("other", "field")]).send().await.unwrap();
        assert_eq!(response.status(), 422);
        let xml = site.client.post(site.url(&format!("/user/account/{what}")));
        let response = xml
            .header("content-type", "text/xml")
            .body("<a/>")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 415);
    }
}

/// Without its value, where that may have a password in it.
#[test]
fn a_setting_that_is_wrong_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    for (name, value, said) in [
        ("PORT", "x", "PORT is \"x\": "),
        ("PORT", &*taken, &*format!("PORT is {taken}: ")),
        (
            "ALLOWED_HOSTS",
            "a.example, b.example:80",
            "ALLOWED_HOSTS has \"b.example:80\": ",
        ),
        ("LIMITS", "none", "LIMITS is \"none\": "),
        ("SECURE_COOKIES", "1", "SECURE_COOKIES is \"1\": "),
        ("CLIENT_HEADER", "x y", "CLIENT_HEADER is \"x y\": "),
        ("MAIL_WORKERS", "0", "MAIL_WORKERS is \"0\": "),
        ("MAIL_FROM", "nobody", "MAIL_FROM is \"nobody\": "),
        ("SECRET_KEY", "pass:word", "SECRET_KEY is shorter"),
        ("SMTP_URL", "pass:word", "SMTP_URL: "),
        ("SMTP_TIMEOUT", "0", "SMTP_TIMEOUT is \"0\": "),
        ("DATABASE_URL", "pass:word", "DATABASE_URL: "),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_forgot-password"));
        program.arg(folder.path()).env("PORT", "0").env(name, value);
        let ended = program.output().unwrap();
        let text = String::from_utf8(ended.stderr).unwrap();
        let last = text.lines().last().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{text}");
        assert!(
            last.starts_with(&format!("forgot-password: {said}")),
            "{text}"
        );
        assert!(!text.contains("pass:word"), "{text}");
    }
}

#[tokio::test]
async fn a_body_of_a_megabyte() {
    let site = Site::start(&[]).await;
    for what in POSTS {
        let fields = json!({
            "email": ADA, "password": "x".repeat(1 << 20),
            "one_time_password": "x", "new_password": "x",
        });
        assert_eq!(site.status(what, fields).await, 413, "{what}");
    }
}

#[tokio::test]
async fn an_address_that_would_write_a_head_of_its_own() {
    let site = Site::start(&[]).await;
    let hostile = [
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org\nSubject: x",
        "ada@example.org, eve@example.org",
        "Ada <ada@example.org>",
        "ada@example.org\0",
        "ada",
        "@",
        "",
    ];
    for email in hostile {
        for what in POSTS {
            let fields = json!({
                "email": email, "password": OLD, "one_time_password": "x", "new_password": NEW,
            });
            assert_eq!(site.status(what, fields).await, 422, "{what}: {email:?}");
        }
    }
    assert_eq!(
        site.count("reset_request").await + site.count("\"user\"").await,
        0
    );
}

#[tokio::test]
async fn a_password_that_is_short_endless_or_guessed_first() {
    let site = Site::start(&[]).await;
    for (password, status) in [
        ("1234567", 422),
        (&*"correct horse ".repeat(10), 422),
        ("12345678", 422),
        ("password1", 422),
        ("ada@example.org", 422),
        ("k7#xq9Lw", 200),
        (OLD, 200),
    ] {
        let fields = json!({ "email": ADA, "password": password });
        assert_eq!(site.status("register", fields).await, status, "{password}");
    }
}

#[tokio::test]
async fn sql_in_every_field() {
    let site = Site::with_ada().await;
    let sql = "x' OR '1'='1'; DROP TABLE user; --";
    // The quote is of those signs that an address may have.
    let address = "x'or'1'='1@example.org";
    let fields = |email: &str| json!({ "email": email, "password": sql, "one_time_password": sql, "new_password": sql });
    for (what, status) in [
        ("register", 200),
        ("login", 200),
        ("forgot-password", 202),
        ("reset-password", 403),
    ] {
        assert_eq!(site.status(what, fields(address)).await, status, "{what}");
        assert_eq!(site.status(what, fields(sql)).await, 422, "{what}");
    }
    assert_eq!(site.status("login", fields(ADA)).await, 403);
    assert_eq!(site.status("reset-password", fields(ADA)).await, 403);
    assert_eq!(site.count("\"user\"").await, 2);
    assert_eq!(site.login(OLD).await, 200);
    assert!(
        site.page("/")
            .await
            .contains("Logged in as ada@example.org.")
    );
}

#[tokio::test]
async fn html_in_an_address_is_shown_as_text() {
    let site = Site::start(&[]).await;
    let email = "a'&b@example.org";
    site.register(email).await;
    let fields = json!({ "email": email, "password": OLD });
    assert_eq!(site.status("login", fields).await, 200);
    assert!(site.page("/").await.contains("a'&amp;b@example.org"));
}

/// A stranger's guesses do not void the owner's one-time password, or they would keep her out.
#[tokio::test]
async fn a_thousand_wrong_guesses_leave_the_right_one_good() {
    let (site, one_time) = Site::with_ada_who_forgot().await;
    for _ in 0..20 {
        let guesses = (0..50).map(|n| site.reset(["AAAAA-AAAAA", "x"][n % 2]));
        for status in futures_util::future::join_all(guesses).await {
            assert_eq!(status, 403);
        }
    }
    let counted = "reset_request WHERE guesses_left = 1000000 - 1000";
    assert_eq!(site.count(counted).await, 1);
    assert_eq!(site.reset(&one_time).await, 200);
    assert_eq!(site.login(NEW).await, 200);
}

#[tokio::test]
async fn a_form_of_another_site() {
    let site = Site::start(&[]).await;
    for (origin, status) in [
        ("http://evil.example".to_owned(), 403),
        ("null".to_owned(), 403),
        (site.program().url.replace("http:", "http:x"), 403),
        (site.program().url.clone(), 202),
    ] {
        let request = site.client.post(site.url("/user/account/forgot-password"));
        let request = request.header("origin", &origin).form(&[("email", ADA)]);
        assert_eq!(request.send().await.unwrap().status(), status, "{origin}");
    }
}

#[tokio::test]
async fn cookies_are_out_of_reach_of_scripts_and_of_other_sites() {
    let site = Site::start(&[("SECURE_COOKIES", "on")]).await;
    site.register(ADA).await;
    let response = site
        .post("login", json!({ "email": ADA, "password": OLD }))
        .await;
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Secure"] {
        assert!(cookie.contains(part), "{cookie}");
    }
}

/// An attacker who has planted a session's number does not have the one that is logged in.
#[tokio::test]
async fn each_login_has_another_session() {
    let site = Site::with_ada().await;
    let mut cookies = Vec::new();
    for _ in 0..2 {
        let fields = json!({ "email": ADA, "password": OLD });
        // The client sends the first one's cookie with the second.
        let response = site.post("login", fields).await;
        assert_eq!(response.status(), 200);
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        cookies.push(cookie.split_once(';').unwrap().0.to_owned());
    }
    assert_ne!(cookies[0], cookies[1]);
}

#[tokio::test]
async fn internal_errors_are_logged_and_not_shown() {
    let site = Site::start(&[]).await;
    site.sql("DROP TABLE reset_request").await;
    let response = site.post("forgot-password", json!({ "email": ADA })).await;
    assert_eq!(response.status(), 500);
    let told = response.text().await.unwrap();
    assert!(!told.contains("reset_request"), "{told}");
    site.logged(1, "error 1 ").await;
    let log = site.program().log().join("\n");
    assert!(log.contains("reset_request"), "{log}");
}

#[tokio::test]
async fn cookies_go_without_https_if_secure_cookies_is_off() {
    let site = Site::start(&[("SECURE_COOKIES", "off")]).await;
    site.register(ADA).await;
    let login = json!({ "email": ADA, "password": OLD });
    let response = site.post("login", login).await;
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(!cookie.contains("Secure"), "{cookie}");
}
