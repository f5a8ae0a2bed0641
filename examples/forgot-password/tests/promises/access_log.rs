//! Each request has one line for its start and one for its end.

use crate::common::{OLD, Site, starts_and_ends};
use serde_json::json;

#[tokio::test]
async fn one_end_for_each_start() {
    let site = Site::with_ada().await;
    assert_eq!(site.login(OLD).await, 200);
    site.page("/nowhere").await;
    site.page("/user/account/login").await;
    assert_eq!(
        site.status("login", json!({ "email": "x".repeat(100_000) }))
            .await,
        413
    );
    let many = (0..50).map(|_| site.page("/"));
    futures_util::future::join_all(many).await;

    site.logged(55, "end ").await;
    site.logged(55, "start ").await;
    let log = site.program().log();
    let seen = starts_and_ends(&log);
    assert_eq!(seen.len(), 55);
    assert!(seen.values().all(|counts| *counts == (1, 1)), "{log:#?}");
    for status in ["200", "404", "405", "413"] {
        assert!(
            log.iter()
                .any(|line| line.starts_with("end") && line.contains(&format!(" {status} ")))
        );
    }
}

#[tokio::test]
async fn the_log_has_no_secret() {
    let site = Site::with_ada().await;
    site.login(OLD).await;
    site.login("wrong horse").await;
    let one_time = site.forgot_and_mailed(1).await;
    site.reset(&one_time).await;
    site.logged(1, "account: password reset 1").await;
    let log = site.program().log().join("\n");
    let hash = "argon2";
    for secret in [
        OLD,
        "wrong horse",
        crate::common::NEW,
        &one_time,
        &one_time.replace('-', ""),
        hash,
    ] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
