//! A mail does not wait for a recipient at which the mail server hangs, nor for strangers'
//! requests.

use std::ops::Range;
use std::time::{Duration, Instant};

use sea_orm::prelude::DateTimeUtc;
use sea_orm::{ConnectionTrait, Statement};

use crate::common::{ADA, FIRST, LATER, OWED, Site, until};
use crate::smtp::{MailServer, Mood};

/// Asks for the one-time passwords of these users, and waits until each is mailed.
async fn ask(server: &MailServer, site: &Site, users: Range<usize>, seconds: u64) {
    let mails = server.mails().len() + users.len();
    let began = Instant::now();
    for n in users {
        site.forgot(&format!("user{n}@example.org")).await;
    }
    mailed(server, mails, began, seconds).await;
}

async fn mailed(server: &MailServer, count: usize, began: Instant, seconds: u64) {
    until(async || {
        let mails = server.mails().len();
        let is_late = began.elapsed() > Duration::from_secs(seconds);
        assert!(!is_late, "{mails} of {count} mails after {seconds} s");
        (mails >= count).then_some(())
    })
    .await;
    println!("{count} mails in {:.1?}", began.elapsed());
}

fn hang(server: &MailServer, users: Range<usize>) {
    for n in users {
        server.set_mood(&format!("user{n}@example.org"), Some(Mood::Hang));
    }
}

/// Twelve of the 16 workers wait for a reply all the while. The other four take each mail that
/// comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_recipients_that_hang_do_not_stop_forty_others() {
    let server = MailServer::start(true).await;
    let settings = [("SMTP_URL", &*server.url()), ("SMTP_TIMEOUT", "255")];
    let site = Site::start(&settings).await;
    site.add_users(52).await;
    hang(&server, 0..12);
    for n in 0..12 {
        site.forgot(&format!("user{n}@example.org")).await;
    }
    let began = Instant::now();
    until(async || {
        let hung = server.hung();
        let is_late = began.elapsed() > Duration::from_secs(120);
        assert!(!is_late, "{hung} of 12 mails are under way after 120 s");
        (hung >= 12).then_some(())
    })
    .await;
    ask(&server, &site, 12..52, 120).await;
    assert_eq!(server.mails().len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_that_hang_do_not_delay_first_mails() {
    let server = MailServer::start(true).await;
    let settings = [
        ("SMTP_URL", &*server.url()),
        ("SMTP_TIMEOUT", "255"),
        ("MAIL_WORKERS", "4"),
    ];
    let site = Site::start(&settings).await;
    site.add_users(60).await;
    hang(&server, 0..20);
    site.add_owed(20, true, LATER).await;
    until(async || (server.hung() >= 3).then_some(())).await;
    ask(&server, &site, 20..60, 120).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_mails_behind_one_that_hangs_leave_within_seconds() {
    let server = MailServer::start(true).await;
    let settings = [
        ("SMTP_URL", &*server.url()),
        ("SMTP_TIMEOUT", "5"),
        ("MAIL_WORKERS", "1"),
    ];
    let site = Site::start(&settings).await;
    site.add_users(51).await;
    hang(&server, 0..1);
    site.forgot("user0@example.org").await;
    until(async || (server.hung() >= 1).then_some(())).await;
    ask(&server, &site, 1..51, 120).await;
}

/// They are read in batches of 100, and a mail that hangs holds no other one of its batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_hangs_leaves_all_other_mails_to_the_other_workers() {
    let server = MailServer::start(true).await;
    let settings = [
        ("SMTP_URL", &*server.url()),
        ("SMTP_TIMEOUT", "255"),
        ("MAIL_WORKERS", "4"),
    ];
    let site = Site::start(&settings).await;
    site.add_users(300).await;
    hang(&server, 299..300);
    site.forgot("user299@example.org").await;
    until(async || (server.hung() >= 1).then_some(())).await;
    site.add_owed(299, true, FIRST).await;
    mailed(&server, 299, Instant::now(), 120).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_thousand_requests_for_unknown_addresses_do_not_delay_an_owner() {
    let (server, site) = Site::with_mail_server(true).await;
    site.register(ADA).await;
    site.add_owed(3_000, false, LATER).await;
    let owed = async || site.count(OWED).await;
    until(async || (owed().await < 2_990).then_some(())).await;
    site.forgot(ADA).await;
    let hers = "reset_request WHERE user_id IS NOT NULL";
    let mailed = format!("{hers} AND expires_at > requested_at");
    until(async || (site.count(&mailed).await == 1).then_some(())).await;
    assert_eq!(server.mails().len(), 1);

    // The database keeps the order, so a pause of this test does not matter. The note that a mail
    // has left writes `expires_at`, an hour ahead.
    let db = site.database().await;
    let query = format!("SELECT requested_at, expires_at FROM {hers}");
    let query = Statement::from_string(db.get_database_backend(), query);
    let row = db.query_one_raw(query).await.unwrap().unwrap();
    let asked: DateTimeUtc = row.try_get("", "requested_at").unwrap();
    let noted: DateTimeUtc = row.try_get("", "expires_at").unwrap();
    let an_hour_later = (asked + Duration::from_secs(60 * 60)).to_rfc3339();
    let her_note = noted.to_rfc3339();
    let overtakers = format!(
        "reset_request WHERE user_id IS NULL AND expires_at > '{an_hour_later}' \
         AND expires_at < '{her_note}'"
    );
    let later = format!(
        "reset_request WHERE user_id IS NULL AND (expires_at IS NULL OR expires_at > '{her_note}')"
    );
    let (overtakers, later) = (site.count(&overtakers).await, site.count(&later).await);
    println!("{overtakers} strangers' rows came before hers, {later} after it");
    assert!(
        overtakers < 200,
        "{overtakers} strangers' rows came before hers"
    );
    assert!(later > 0, "the strangers' rows were done when she asked");
}
