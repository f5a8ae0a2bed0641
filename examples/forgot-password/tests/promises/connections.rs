//! Connections over raw sockets: slow heads, control characters in the log, and the end of the
//! program.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::common::{ADA, OWED, Site, until};

impl Site {
    pub(crate) async fn open(&self) -> TcpStream {
        TcpStream::connect(self.program().address()).await.unwrap()
    }

    /// Sends these bytes on a connection of their own; returns the response up to its end.
    pub(crate) async fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.open().await;
        stream.write_all(request).await.unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await.unwrap();
        String::from_utf8(response).unwrap()
    }
}

/// A byte now and then (slowloris) does not keep a head alive for longer than 10 seconds in all.
#[tokio::test]
async fn a_slow_head_ends_after_ten_seconds() {
    let site = Site::start(&[]).await;
    // The program counts from a moment after this one.
    let began = Instant::now();
    let (silent, dripping) = (site.open().await, site.open().await);
    let ends = async |mut stream: TcpStream, drips: bool| {
        let mut byte = [0];
        for sent in b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n".iter().cycle() {
            // An error means that the other side has gone.
            if drips && stream.write_all(&[*sent]).await.is_err() {
                break;
            }
            let pause = Duration::from_millis(500);
            if let Ok(read) = tokio::time::timeout(pause, stream.read(&mut byte)).await {
                assert!(!matches!(read, Ok(1)), "a response to half a head");
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "it goes on");
        }
        began.elapsed()
    };
    let (silent, dripping) = tokio::join!(ends(silent, false), ends(dripping, true));
    for ended in [silent, dripping] {
        assert!(ended > Duration::from_secs(8), "{ended:?}");
    }
    assert!(site.page("/").await.contains("Not logged in."));
}

/// A path can hold characters that a terminal obeys: C1 control characters, and a change of
/// direction.
#[tokio::test]
async fn a_control_character_in_a_path_is_escaped_in_the_log() {
    let site = Site::start(&[]).await;
    let head = "GET /\u{9b}31m\u{202e} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    let response = site.raw(head.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
    site.logged(1, r"start 1 GET /\u{9b}31m\u{202e}").await;
}

/// The log repeats the error of a mail server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_character_of_a_mail_server_is_escaped_in_the_log() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", server.local_addr().unwrap());
    let site = Site::start(&[("SMTP_URL", &url)]).await;
    site.register(ADA).await;
    site.forgot(ADA).await;
    let (mut mail, _) = server.accept().await.unwrap();
    mail.write_all(b"421 \x1b[31mgone\x07\r\n").await.unwrap();
    let line = async || {
        let log = site.program().log();
        log.into_iter().find(|line| line.starts_with("mail 1: "))
    };
    let line = until(line).await;
    assert!(line.contains(r"\u{1b}[31mgone\u{7}"), "{line:?}");
}

/// After the first interrupt the program waits for a mail, and the mail server never responds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_interrupt_ends_the_program_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    let mut site = Site::start(&[("SMTP_URL", &url), ("SMTP_TIMEOUT", "255")]).await;
    site.register(ADA).await;
    site.post("forgot-password", json!({ "email": ADA })).await;
    let (_connection, _) = silent.accept().await.unwrap();

    let program = site.program.take().unwrap();
    program.ctrl_c();
    let refused = async || TcpStream::connect(program.address()).await.err();
    until(refused).await;
    program.ctrl_c();
    assert_eq!(program.ended().code(), Some(130));
    assert_eq!(site.count(OWED).await, 1);
}
