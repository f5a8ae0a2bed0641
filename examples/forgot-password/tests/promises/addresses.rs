//! An address that registers can be mailed to, and its aliases are one account.

use serde_json::json;

use crate::common::{ADA, NEW, OLD, Site};

#[tokio::test]
async fn addresses_that_could_never_be_mailed_are_refused_with_a_reason() {
    let site = Site::start(&[]).await;
    for (email, reason) in [
        ("\"ada lovelace\"@example.org", "without quotes"),
        ("ädä@example.org", "letters from a to z"),
        ("ada@[127.0.0.1]", "not a number"),
        ("ada@127.0.0.1", "not a number"),
    ] {
        let fields = json!({ "email": email, "password": OLD });
        let response = site.post("register", fields).await;
        assert_eq!(response.status(), 422, "{email}");
        let message = response.text().await.unwrap();
        assert!(message.contains(reason), "{email}: {message}");
    }
    assert_eq!(site.count("\"user\"").await, 0);
}

/// The mail server here has no SMTPUTF8, like many others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_with_an_international_domain_is_mailed_in_ascii() {
    let (server, site) = Site::with_mail_server(true).await;
    site.register("ada@Bücher.example").await;
    site.forgot("ada@bücher.example").await;
    site.settled().await;
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert!(
        mails[0].contains("To: ada@xn--bcher-kva.example\r\n"),
        "{}",
        mails[0]
    );
    let login = json!({ "email": "ada@xn--bcher-kva.example", "password": OLD });
    assert_eq!(site.status("login", login).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_aliases_of_a_mailbox_are_one_account_with_three_mails() {
    let (server, site) = Site::with_mail_server(true).await;
    site.register(ADA).await;
    for n in 0..50 {
        let alias = format!("ada+{n}@example.org");
        site.register(&alias).await;
        site.forgot(&alias).await;
    }
    site.forgot(ADA).await;
    site.settled().await;
    assert_eq!(site.count("\"user\"").await, 1);
    let mails = server.mails();
    assert_eq!(mails.len(), 3);
    for mail in mails {
        assert!(mail.contains("To: ada@example.org\r\n"), "{mail}");
    }
}

#[tokio::test]
async fn an_alias_resets_the_password_of_its_account() {
    let (site, one_time) = Site::with_ada_who_forgot().await;
    let fields = json!({
        "email": "Ada+news@example.org", "one_time_password": one_time, "new_password": NEW,
    });
    assert_eq!(site.status("reset-password", fields).await, 200);
    assert_eq!(site.login(NEW).await, 200);
}
