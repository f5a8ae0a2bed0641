//! A mail that is owed is sent, whatever happens to the mail server and to the program.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::common::{ADA, LATER, MAILED, OLD, OVER, OWED, Site, one_time_passwords, until};
use crate::smtp::Mood;
use sea_orm::prelude::ChronoUtc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_is_down_and_then_up() {
    let (server, site) = Site::with_mail_server(false).await;
    site.register(ADA).await;
    site.forgot(ADA).await;
    until(async || (server.refused() >= 2).then_some(())).await;
    assert!(server.mails().is_empty());
    assert_eq!(site.count(OWED).await, 1);

    server.set_up(true);
    until(async || (!server.mails().is_empty()).then_some(())).await;
    site.settled().await;
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("To: ada@example.org\r\n"), "{}", mails[0]);
    assert_eq!(site.reset(&one_time_passwords(&mails[0])[0]).await, 200);
}

/// The reply to the first try comes after the program has given up. A program that used that
/// connection again would take each later reply for that of the command before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_mail_is_not_noted_as_mailed_after_a_late_reply() {
    let (server, site) = Site::with_patience(true, 5).await;
    site.register(ADA).await;
    server.set_mood(ADA, Some(Mood::Late(Duration::from_secs(8))));
    site.forgot(ADA).await;
    until(async || (!server.mails().is_empty()).then_some(())).await;
    server.set_mood(ADA, Some(Mood::Refuse("451 later")));
    until(async || {
        let mailed = site.count(MAILED).await;
        assert_eq!(mailed, 0, "a refused mail is noted as mailed");
        (server.refused() >= 2).then_some(())
    })
    .await;

    server.set_mood(ADA, None);
    site.settled().await;
    let mails = server.mails();
    // On a busy machine a reply comes late once more, and there is another mail.
    assert!(mails.len() >= 2, "{mails:#?}");
    let last = mails.last().unwrap();
    assert_eq!(site.reset(&one_time_passwords(last)[0]).await, 200);
}

/// A user may have seen the first, but the server did not confirm that it kept it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_draws_another_one() {
    let (site, first) = Site::with_ada_who_forgot().await;
    site.sql("UPDATE reset_request SET expires_at = NULL").await;
    site.owe(LATER, "true").await;
    let mailed = site.mailed(2).await;
    assert_ne!(mailed[0], first);
    site.settled().await;
    assert_eq!(site.reset(&first).await, 403);
    assert_eq!(site.reset(&mailed[0]).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_and_a_restart_with_an_owed_row() {
    let (server, mut site) = Site::with_mail_server(false).await;
    site.register(ADA).await;
    site.forgot(ADA).await;
    until(async || (server.refused() >= 1).then_some(())).await;
    site.program.take().unwrap().kill();

    server.set_up(true);
    site.restart();
    site.settled().await;
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(site.reset(&one_time_passwords(&mails[0])[0]).await, 200);
}

/// A server that drops a request with its client may drop it as the transaction begins. On
/// PostgreSQL the pool then lends a connection with an open transaction, and the statements of
/// others are lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_leaves_no_transaction_open() {
    let site = Site::with_ada().await;
    let address = site.program().url.strip_prefix("http://").unwrap();
    let body = format!("{{\"email\": \"{ADA}\"}}");
    let request = format!(
        "POST /user/account/forgot-password HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let is_postgres = std::env::var("FANFARE_TEST_POSTGRES").is_ok();
    let open = "pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'";
    for n in 0..300 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_micros(n * 10));
        drop(stream);
        if is_postgres {
            until(async || (site.count(open).await == 0).then_some(())).await;
        }
    }
    assert_eq!(site.login(OLD).await, 200);
    let logged_in = "\"user\" WHERE last_login IS NOT NULL";
    until(async || (site.count(logged_in).await == 1).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_waits_for_the_mails_that_were_not_tried() {
    let (server, mut site) = Site::with_mail_server(true).await;
    for n in 0..10 {
        site.register(&format!("user{n}@example.org")).await;
    }
    for n in 0..10 {
        site.forgot(&format!("user{n}@example.org")).await;
    }
    let mailbox = site.client.get(site.url("/dev/mailbox")).send().await;
    assert_eq!(mailbox.unwrap().status(), 404, "it is for want of a server");
    assert!(site.program.take().unwrap().interrupt().success());
    assert_eq!(site.count(MAILED).await, 10);
    assert_eq!(server.mails().len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_does_not_wait_for_a_client_with_half_a_head() {
    let mut site = Site::start(&[]).await;
    let program = site.program.take().unwrap();
    let mut stream = TcpStream::connect(program.url.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(b"GET / HT").unwrap();
    assert!(program.interrupt().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_is_owed_for_a_day_is_given_up_and_logged() {
    let (server, mut site) = Site::with_mail_server(false).await;
    site.register(ADA).await;
    site.forgot(ADA).await;
    // The second try is a retry, whose delivery has a row after it has failed.
    until(async || (server.refused() >= 2).then_some(())).await;
    assert!(site.program.take().unwrap().interrupt().success());
    site.sql("UPDATE reset_request SET requested_at = '2026-01-01T00:00:00+00:00'")
        .await;
    site.sql("UPDATE fanfare_outbox_delivery SET attempts = 30")
        .await;
    site.restart();
    site.logged(1, "mail 1: given up after 86400s and 30 tries")
        .await;
    until(async || (site.count("reset_request").await == 0).then_some(())).await;
    let owed = "fanfare_outbox_event";
    until(async || (site.count(owed).await == 0).then_some(())).await;
}

/// The columns are those of the version before the outbox.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_that_the_old_tables_owe_leave_after_the_migration() {
    let (server, mut site) = Site::with_mail_server(true).await;
    for n in 0..3 {
        site.register(&format!("user{n}@example.org")).await;
    }
    site.register(ADA).await;
    site.forgot(ADA).await;
    site.settled().await;
    let hers = one_time_passwords(&server.mails()[0]).remove(0);
    assert!(site.program.take().unwrap().interrupt().success());
    let (then, now) = ("2026-01-01T00:00:00+00:00", ChronoUtc::now().to_rfc3339());
    for statement in [
        "DELETE FROM seaql_migrations WHERE version LIKE 'm0002%'",
        "ALTER TABLE reset_request ADD COLUMN state VARCHAR NOT NULL DEFAULT 'mailed'",
        "ALTER TABLE reset_request ADD COLUMN tries INTEGER NOT NULL DEFAULT 1",
        &format!(
            "ALTER TABLE reset_request ADD COLUMN next_try_at VARCHAR NOT NULL DEFAULT '{then}'"
        ),
        "CREATE INDEX reset_request_state ON reset_request (state, next_try_at)",
    ] {
        site.sql(statement).await;
    }
    // It was good for an hour when it was used.
    let expires_at = "(SELECT expires_at FROM reset_request WHERE state = 'mailed')";
    for (n, state, expires_at) in [
        (0, "owed", "NULL"),
        (1, "used", expires_at),
        (2, "void", "NULL"),
    ] {
        let address = format!("user{n}@example.org");
        site.sql(&format!(
            "INSERT INTO reset_request (email, mailbox, user_id, requested_at, guesses_left, state, \
             expires_at) SELECT email, mailbox, id, '{now}', 9, '{state}', \
             {expires_at} FROM \"user\" WHERE email = '{address}'"
        ))
        .await;
    }
    site.restart();
    site.settled().await;
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert!(mails[1].contains("To: user0@example.org\r\n"), "{mails:?}");
    assert_eq!(site.count(OVER).await, 2);
    assert_eq!(site.reset(&hers).await, 200);
}

#[tokio::test]
async fn requests_older_than_a_day_are_deleted() {
    let (mut site, _) = Site::with_ada_who_forgot().await;
    site.sql("UPDATE reset_request SET requested_at = '2026-01-01T00:00:00+00:00'")
        .await;
    assert!(site.program.take().unwrap().interrupt().success());
    site.restart();
    until(async || (site.count("reset_request").await == 0).then_some(())).await;
    assert_eq!(site.login(OLD).await, 200);
}
