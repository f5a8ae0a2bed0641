//! A mail server of a few lines, that can be out of order.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Default)]
pub(crate) struct MailServer {
    port: u16,
    is_up: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
    mails: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    /// Starts one; while it is not up, it refuses whoever connects.
    pub(crate) async fn start(is_up: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = MailServer {
            port: listener.local_addr().unwrap().port(),
            ..Default::default()
        };
        server.set_up(is_up);
        let accepting = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = accepting.clone();
                // A client that is killed ends its conversation anywhere.
                tokio::spawn(async move { _ = server.converse(stream).await });
            }
        });
        server
    }

    pub(crate) fn set_up(&self, is_up: bool) {
        self.is_up.store(is_up, SeqCst);
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    pub(crate) fn refused(&self) -> usize {
        self.refused.load(SeqCst)
    }

    pub(crate) fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }

    async fn converse(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        if !self.is_up.load(SeqCst) {
            self.refused.fetch_add(1, SeqCst);
            return stream.write_all(b"421 out of order\r\n").await;
        }
        stream.write_all(b"220 here\r\n").await?;
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {
            let answer: &[u8] = if line.starts_with("DATA") {
                stream.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut mail).await? == 0 {
                        return Ok(());
                    }
                }
                self.mails.lock().unwrap().push(mail);
                b"250 kept\r\n"
            } else {
                b"250 fine\r\n"
            };
            stream.write_all(answer).await?;
            line.clear();
        }
        Ok(())
    }
}
