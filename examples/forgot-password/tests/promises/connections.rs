//! Connections over raw sockets: odd heads, and what the log makes of them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::Site;

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

/// Bytes of a path that a terminal would obey: C1 control characters and a change of direction.
#[tokio::test]
async fn a_control_character_in_a_path_is_escaped_in_the_log() {
    let site = Site::start(&[]).await;
    let head = "GET /\u{9b}31m\u{202e} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    let response = site.raw(head.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
    site.logged(1, r"start 1 GET /\u{9b}31m\u{202e}").await;
}
