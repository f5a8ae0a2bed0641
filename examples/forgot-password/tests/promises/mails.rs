//! The form of the mails, and the reaction to each reply of the mail server.

use crate::common::{ADA, MAILED, OVER, Site, until};
use crate::smtp::Mood;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mail_has_an_id_a_date_and_a_mark_that_a_program_sent_it() {
    let (server, site) = Site::with_mail_server(true).await;
    site.register(ADA).await;
    site.forgot(ADA).await;
    site.forgot(ADA).await;
    site.settled().await;
    let mut ids = Vec::new();
    for mail in server.mails() {
        let head = |name: &str| {
            let found = mail.lines().filter_map(|line| line.strip_prefix(name));
            let found: Vec<_> = found.map(str::to_owned).collect();
            assert_eq!(found.len(), 1, "{name} in {mail}");
            found.into_iter().next().unwrap()
        };
        let id = head("Message-ID: ");
        assert!(id.starts_with('<') && id.ends_with("@localhost>"), "{id}");
        ids.push(id);
        assert_eq!(head("Auto-Submitted: "), "auto-generated");
        assert!(!head("Date: ").is_empty());
    }
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_is_refused_for_good_is_given_up_and_logged() {
    let (server, site) = Site::with_mail_server(true).await;
    site.register(ADA).await;
    server.set_mood(ADA, Some(Mood::Refuse("550 no such mailbox")));
    site.forgot(ADA).await;
    site.logged(1, "mail 1: given up at try 1: the mail server: ")
        .await;
    until(async || (site.count(OVER).await == 1).then_some(())).await;
    // A retry would come within two seconds.
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    assert_eq!(server.refused(), 1);

    // The mailbox is there again, and its owner asks again.
    server.set_mood(ADA, None);
    site.forgot(ADA).await;
    site.settled().await;
    assert_eq!(server.mails().len(), 1);
}

/// The second is about the program's own credentials, and not about the mail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_is_refused_for_now_is_tried_again() {
    for reply in ["451 later", "535 wrong password"] {
        let (server, site) = Site::with_mail_server(true).await;
        site.register(ADA).await;
        server.set_mood(ADA, Some(Mood::Refuse(reply)));
        site.forgot(ADA).await;
        until(async || (server.refused() >= 2).then_some(())).await;
        server.set_mood(ADA, None);
        site.settled().await;
        assert_eq!(server.mails().len(), 1, "{reply}");
        assert_eq!(site.count(MAILED).await, 1);
    }
}

/// These replies are about the session or the program, and not about the mail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_is_not_given_up_for_a_reply_about_the_session() {
    for reply in ["503 authenticate first", "521 no mail here"] {
        let (server, site) = Site::with_mail_server(true).await;
        site.register(ADA).await;
        server.set_mood(ADA, Some(Mood::Refuse(reply)));
        site.forgot(ADA).await;
        until(async || (server.refused() >= 1).then_some(())).await;
        server.set_mood(ADA, None);
        site.settled().await;
        assert_eq!(server.mails().len(), 1, "{reply}");
        assert_eq!(site.count(MAILED).await, 1);
    }
}
