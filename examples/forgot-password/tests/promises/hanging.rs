//! A mail waits neither for a recipient at whom the mail server hangs, nor for strangers' requests,
//! nor for room in a queue.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::common::{ADA, Site, until};
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

/// They wait for a few timeouts of 15 s at worst, because each worker has a line of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_recipients_that_hang_do_not_stop_forty_others() {
    let server = MailServer::start(true).await;
    let site = Site::start(&[("SMTP_URL", &server.url())]).await;
    site.add_users(46).await;
    hang(&server, 0..6);
    for n in 0..6 {
        site.forgot(&format!("user{n}@example.org")).await;
    }
    until(async || (server.hung() >= 3).then_some(())).await;
    ask(&server, &site, 6..46, 75).await;
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
    site.add_owed(20, true, 1).await;
    until(async || (server.hung() >= 3).then_some(())).await;
    ask(&server, &site, 20..60, 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_that_found_the_queue_full_leave_within_seconds() {
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
    // A line has room for 32.
    ask(&server, &site, 1..51, 60).await;
}

/// One worker's line is full, because the mail server hangs with it. The others get the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_line_does_not_keep_the_other_workers_idle() {
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
    site.add_owed(299, true, 0).await;
    mailed(&server, 299 - 32, Instant::now(), 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_thousand_requests_for_unknown_addresses_do_not_delay_an_owner() {
    let (server, site) = Site::with_mail_server(true).await;
    site.register(ADA).await;
    site.add_owed(3_000, false, 0).await;
    let owed = async || site.count("reset_request WHERE state = 'owed'").await;
    until(async || (owed().await < 2_990).then_some(())).await;
    site.forgot(ADA).await;
    until(async || (!server.mails().is_empty()).then_some(())).await;
    let still_owed = owed().await;
    assert!(still_owed > 2_600, "{still_owed} strangers' rows are left");
    assert_eq!(server.mails().len(), 1);
}
