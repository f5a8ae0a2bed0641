//! A one-time password is mailed to the owner of the address, and is good once, for an hour.

use std::time::Duration;

use crate::common::{ADA, MAILED, NEW, OLD, Site, until};
use sea_orm::prelude::ChronoUtc;
use serde_json::json;

#[tokio::test]
async fn from_registration_to_a_new_password() {
    let site = Site::start(&[]).await;
    site.register("Ada@Example.org").await;
    assert_eq!(site.login(OLD).await, 200);
    assert!(
        site.page("/")
            .await
            .contains("Logged in as ada@example.org.")
    );

    site.forgot(" ADA@example.org ").await;
    let mailed = site.mailed(1).await;
    assert_eq!(site.reset(&mailed[0]).await, 200);

    // The session was of the old password.
    assert!(site.page("/").await.contains("Not logged in."));
    assert_eq!(site.login(OLD).await, 403);
    assert_eq!(site.login(NEW).await, 200);
    assert_eq!(site.status("logout", json!({})).await, 200);
    assert!(site.page("/").await.contains("Not logged in."));

    let failed = r#"account: login failed [("email", "ada@example.org"), ("password", "********************")]"#;
    site.logged(2, "account: logged in Some(1)").await;
    site.logged(1, "account: logged out Some(1)").await;
    site.logged(1, "account: password reset 1").await;
    site.logged(1, failed).await;
    assert_eq!(site.count("\"user\" WHERE last_login IS NOT NULL").await, 1);
}

#[tokio::test]
async fn forms_and_pages_do_the_same() {
    let site = Site::start(&[]).await;
    let post = async |what: &str, fields: &[(&str, &str)]| {
        let url = site.url(&format!("/user/account/{what}"));
        let response = site.client.post(url).form(fields).send().await.unwrap();
        assert!(
            response.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/html")
        );
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(
        post("register", &[("email", ADA), ("password", OLD)])
            .await
            .0,
        200
    );
    assert_eq!(post("forgot-password", &[("email", ADA)]).await.0, 202);
    let mailed = site.mailed(1).await;
    // As somebody might type it.
    let typed = mailed[0].to_lowercase().replace('-', " ");
    let fields = [
        ("email", ADA),
        ("one_time_password", &typed),
        ("new_password", NEW),
    ];
    let (status, page) = post("reset-password", &fields).await;
    assert_eq!(status, 200);
    assert!(page.contains("The password is changed."));
    assert_eq!(
        post("login", &[("email", ADA), ("password", NEW)]).await.0,
        200
    );
}

#[tokio::test]
async fn a_one_time_password_is_good_once() {
    let (site, one_time) = Site::with_ada_who_forgot().await;
    let (first, second) = tokio::join!(site.reset(&one_time), site.reset(&one_time));
    let mut both = [first.as_u16(), second.as_u16()];
    both.sort_unstable();
    assert_eq!(both, [200, 403]);
    assert_eq!(site.reset(&one_time).await, 403);
}

#[tokio::test]
async fn a_one_time_password_expires() {
    let (site, one_time) = Site::with_ada_who_forgot().await;
    for (minutes, rows) in [(58, 1), (60, 0)] {
        let then = (ChronoUtc::now() + Duration::from_secs(minutes * 60)).to_rfc3339();
        let later = format!("reset_request WHERE expires_at > '{then}'");
        assert_eq!(site.count(&later).await, rows);
    }
    site.sql("UPDATE reset_request SET expires_at = '2026-01-01T00:00:00+00:00'")
        .await;
    assert_eq!(site.reset(&one_time).await, 403);
    assert_eq!(site.login(OLD).await, 200);
}

#[tokio::test]
async fn the_last_wrong_guess_voids_it() {
    let (site, one_time) = Site::with_ada_who_forgot().await;
    site.sql("UPDATE reset_request SET guesses_left = 1").await;
    assert_eq!(site.reset("AAAAA-AAAAA").await, 403);
    assert_eq!(site.reset(&one_time).await, 403);

    let second = site.forgot_and_mailed(2).await;
    assert_eq!(site.reset("AAAAA-AAAAA").await, 403);
    assert_eq!(site.reset(&second).await, 200);
}

/// A stranger asks as often as an hour allows, and guesses. The owner's request is then not mailed,
/// but one of the stranger's was, and its one-time password is good until the next can be.
#[tokio::test]
async fn strangers_who_use_her_requests_up_leave_the_owner_a_good_one() {
    let site = Site::with_ada().await;
    for _ in 0..3 {
        site.forgot(ADA).await;
    }
    for _ in 0..20 {
        assert_eq!(site.reset("AAAAA-AAAAA").await, 403);
    }
    let mailed = site.mailed(3).await;
    // 59 minutes later, as the limit sees it. That it is good until then,
    // `a_one_time_password_expires` tests.
    let then = ChronoUtc::now() - Duration::from_secs(59 * 60);
    let requested = then.to_rfc3339();
    site.sql(&format!(
        "UPDATE reset_request SET requested_at = '{requested}'"
    ))
    .await;
    site.forgot(ADA).await;
    assert_eq!(site.count("reset_request").await, 3);
    assert_eq!(site.reset(&mailed[0]).await, 200);
}

/// A guess at a request whose mail has not left is written down as one at a mailed request is.
/// Otherwise the time would reveal whether there is an account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guess_is_counted_before_the_mail_has_left() {
    let (_server, site) = Site::with_mail_server(false).await;
    site.register(ADA).await;
    // In the future, because the program deletes rows that are older than a day.
    site.sql(
        "INSERT INTO reset_request (email, mailbox, user_id, requested_at, guesses_left) \
         VALUES ('ada@example.org', 'ada@example.org', 1, '2998-01-01T00:00:00+00:00', 10)",
    )
    .await;
    assert_eq!(site.reset("AAAAA-AAAAA").await, 403);
    assert_eq!(site.count("reset_request WHERE guesses_left = 9").await, 1);
}

/// A stolen table has no hashes that could be tried out, because the key is not in it.
#[tokio::test]
async fn a_one_time_password_outlives_a_restart_but_not_its_key() {
    let (mut site, one_time) = Site::with_ada_who_forgot().await;
    assert!(site.program.take().unwrap().interrupt().success());
    let key = site.folder.path().join("forgot-password.key");
    let kept = std::fs::read(&key).unwrap();
    assert_eq!(kept.len(), 32);
    std::fs::remove_file(&key).unwrap();
    site.restart();
    assert_eq!(site.reset(&one_time).await, 403);

    assert!(site.program.take().unwrap().interrupt().success());
    std::fs::write(&key, kept).unwrap();
    site.restart();
    assert_eq!(site.reset(&one_time).await, 200);
}

#[tokio::test]
async fn a_later_one_voids_it() {
    let (site, first) = Site::with_ada_who_forgot().await;
    let second = site.forgot_and_mailed(2).await;
    assert_eq!(site.reset(&first).await, 403);
    assert_eq!(site.reset(&second).await, 200);
}

/// Not the one that was asked for last: people go by their mails.
#[tokio::test]
async fn of_two_the_one_mailed_last_is_good() {
    let (site, first) = Site::with_ada_who_forgot().await;
    let second = site.forgot_and_mailed(2).await;
    let then = (ChronoUtc::now() + Duration::from_secs(3600)).to_rfc3339();
    let first_row = "(SELECT min(id) FROM reset_request)";
    site.sql(&format!(
        "UPDATE reset_request SET expires_at = '{then}' WHERE id = {first_row}"
    ))
    .await;
    assert_eq!(site.reset(&second).await, 403);
    assert_eq!(site.reset(&first).await, 200);
}

#[tokio::test]
async fn a_guess_without_a_request_is_refused_alike() {
    let (site, _) = Site::with_ada_who_forgot().await;
    let mut responses = Vec::new();
    for email in [ADA, "nobody@example.org"] {
        let fields =
            json!({ "email": email, "one_time_password": "AAAAA-AAAAA", "new_password": NEW });
        let response = site.post("reset-password", fields).await;
        responses.push((response.status(), response.bytes().await.unwrap()));
    }
    assert_eq!(responses[0], responses[1]);
}

/// Each row of `reset_request` gets the same work; the last column is whether it is mailed.
#[tokio::test]
async fn an_unknown_address_gets_the_same_response() {
    let site = Site::with_ada().await;
    let mut responses = Vec::new();
    for email in [ADA, "nobody@example.org"] {
        let response = site
            .post("forgot-password", json!({ "email": email }))
            .await;
        let mut headers = response.headers().clone();
        headers.remove("date");
        responses.push((response.status(), headers, response.bytes().await.unwrap()));
    }
    assert_eq!(responses[0], responses[1]);

    until(async || (site.count(MAILED).await == 2).then_some(())).await;
    let hashed = "reset_request WHERE length(one_time_hash) = 32";
    assert_eq!(site.count(hashed).await, 2);
    assert_eq!(site.mailed(1).await.len(), 1);

    let known = site
        .post("register", json!({ "email": ADA, "password": NEW }))
        .await;
    let new = site
        .post(
            "register",
            json!({ "email": "eve@example.org", "password": NEW }),
        )
        .await;
    assert_eq!(known.bytes().await.unwrap(), new.bytes().await.unwrap());
    assert_eq!(site.login(OLD).await, 200);
}

#[tokio::test]
async fn a_fourth_request_in_an_hour_gets_the_same_response_and_no_mail() {
    let site = Site::with_ada().await;
    for _ in 0..4 {
        site.forgot(ADA).await;
    }
    assert_eq!(site.count("reset_request").await, 3);
    site.sql("UPDATE reset_request SET requested_at = '2026-01-01T00:00:00+00:00'")
        .await;
    site.forgot(ADA).await;
    assert_eq!(site.count("reset_request").await, 4);
}

/// One keyboard types an a with two dots as one character, another as two.
#[tokio::test]
async fn a_password_is_right_however_its_letters_are_typed() {
    let site = Site::start(&[]).await;
    let register = json!({ "email": ADA, "password": "\u{c4}rger im B\u{fc}ro" });
    assert_eq!(site.status("register", register).await, 200);
    assert_eq!(site.login("A\u{308}rger im Bu\u{308}ro").await, 200);
    assert_eq!(site.login("Arger im Buro").await, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_requests_at_the_same_time_three_are_written() {
    let site = Site::start(&[]).await;
    for n in 0..20 {
        let email = format!("user{n}@example.org");
        let asked = (0..20).map(|_| site.forgot(&email));
        futures_util::future::join_all(asked).await;
        let written = format!("reset_request WHERE email = '{email}'");
        assert_eq!(site.count(&written).await, 3, "{email}");
    }
}

#[tokio::test]
async fn an_anonymous_client_can_log_out() {
    let site = Site::start(&[]).await;
    assert_eq!(site.status("logout", json!({})).await, 200);
    site.logged(1, "account: logged out None").await;
}

/// Django's `update_last_login`: one column, whatever the instance of the log-in holds.
#[tokio::test]
async fn a_login_changes_one_column_of_its_user_only() {
    use sea_orm::{ConnectionTrait, Statement};
    let site = Site::start(&[]).await;
    site.register(ADA).await;
    site.register("eve@example.org").await;
    let rows = async || {
        let db = site.database().await;
        let query = "SELECT id, email, password_hash, password_changes, last_login IS NULL AS never \
                     FROM \"user\" ORDER BY id";
        let query = Statement::from_string(db.get_database_backend(), query);
        let rows = db.query_all_raw(query).await.unwrap();
        let row = |row: &sea_orm::QueryResult| {
            (
                row.try_get::<i32>("", "id").unwrap(),
                row.try_get::<String>("", "email").unwrap(),
                row.try_get::<String>("", "password_hash").unwrap(),
                row.try_get::<i32>("", "password_changes").unwrap(),
                row.try_get::<bool>("", "never").unwrap(),
            )
        };
        rows.iter().map(row).collect::<Vec<_>>()
    };
    let mut before = rows().await;
    assert!(before.iter().all(|row| row.4));
    assert_eq!(site.login(OLD).await, 200);
    before[0].4 = false;
    assert_eq!(rows().await, before);
}
