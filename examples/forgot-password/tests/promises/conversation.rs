//! The program's commands to the mail server, from the greeting to QUIT.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::common::{ADA, MAILED, OWED, Site};
use crate::smtp::{MailServer, Mood};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_is_mailed_once_if_the_reply_to_quit_never_comes() {
    let (server, site) = Site::with_patience(true, 1).await;
    site.register(ADA).await;
    server.set_mood(ADA, Some(Mood::HangAtQuit));
    site.forgot(ADA).await;
    // A try that ran out of time would be made again by now.
    tokio::time::sleep(Duration::from_millis(4_500)).await;
    assert_eq!(server.mails().len(), 1);
    assert_eq!(site.count(MAILED).await, 1);
    let log = site.program().log();
    assert!(!log.iter().any(|line| line.starts_with("mail ")), "{log:?}");
}

/// The reply comes before the mail, so it is not about the mail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_is_not_given_up_for_a_greeting() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let site = Site::start(&[("SMTP_URL", &url)]).await;
    site.register(ADA).await;
    site.forgot(ADA).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(b"554 no service\r\n").await.unwrap();
    site.logged(1, "mail 1: try 1 failed: the mail server: ")
        .await;
    assert_eq!(site.count(OWED).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_does_not_leave_unencrypted_if_encryption_is_required() {
    let server = MailServer::start(true).await;
    let url = format!("{}?tls=required", server.url());
    let site = Site::start(&[("SMTP_URL", &url)]).await;
    site.register(ADA).await;
    site.forgot(ADA).await;
    site.logged(1, "mail 1: try 1 failed: the mail server: ")
        .await;
    assert!(server.mails().is_empty());
}

/// The server offers AUTH, and the `@` of the password is escaped in the URL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_credentials_of_the_url_come_before_the_mail() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("smtp://name:p%40ss@{address}/here.example.org");
    let site = Site::start(&[("SMTP_URL", &url)]).await;
    site.register(ADA).await;
    site.forgot(ADA).await;
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 here\r\n").await.unwrap();
    let mut said = Vec::new();
    for reply in ["250-here\r\n250 AUTH PLAIN", "235 welcome", "451 later"] {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        said.push(line.trim_end().to_owned());
        let reply = format!("{reply}\r\n");
        stream.write_all(reply.as_bytes()).await.unwrap();
    }
    assert_eq!(said[0], "EHLO here.example.org");
    // The base64 of an empty name, the user's name and the password, with zero bytes between.
    assert_eq!(said[1], "AUTH PLAIN AG5hbWUAcEBzcw==");
    assert!(said[2].starts_with("MAIL FROM:<"), "{said:?}");
}
