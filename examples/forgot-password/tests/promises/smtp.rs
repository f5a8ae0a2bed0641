//! A mail server of a few lines, that can be out of order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Default)]
pub(crate) struct MailServer {
    port: u16,
    is_up: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
    hung: Arc<AtomicUsize>,
    mails: Arc<Mutex<Vec<String>>>,
    moods: Arc<Mutex<BTreeMap<String, Mood>>>,
}

/// The server's reply to a whole mail for a recipient.
#[derive(Clone, Copy)]
pub(crate) enum Mood {
    /// The mail is kept, and the reply takes this long.
    Late(Duration),
    /// The mail is not kept, and this is the reply.
    Refuse(&'static str),
    /// The mail is not kept, and no reply comes.
    Hang,
    /// The mail is kept, and no reply to QUIT comes.
    HangAtQuit,
}

impl MailServer {
    /// Starts one; while it is not up, it refuses each connection.
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

    /// Sets the reply to mails for this address; `None` is 250.
    pub(crate) fn set_mood(&self, address: &str, mood: Option<Mood>) {
        let mut moods = self.moods.lock().unwrap();
        match mood {
            Some(mood) => moods.insert(address.to_owned(), mood),
            None => moods.remove(address),
        };
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Counts the connections and the mails that the server has refused.
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(SeqCst)
    }

    /// Counts the mails that the server has not replied to, and never will.
    pub(crate) fn hung(&self) -> usize {
        self.hung.load(SeqCst)
    }

    /// Returns the mails that the server has kept.
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
        let mut recipient = String::new();
        while stream.read_line(&mut line).await? > 0 {
            let reply = if line.starts_with("DATA") {
                stream.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut mail).await? == 0 {
                        return Ok(());
                    }
                }
                self.receive(mail, &recipient).await
            } else if line.starts_with("QUIT") && self.hangs_at_quit(&recipient) {
                std::future::pending().await
            } else {
                if let Some(to) = line.strip_prefix("RCPT TO:<") {
                    recipient = to.split('>').next().unwrap_or_default().to_owned();
                }
                "250 fine"
            };
            stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
            line.clear();
        }
        Ok(())
    }

    fn hangs_at_quit(&self, recipient: &str) -> bool {
        let mood = self.moods.lock().unwrap().get(recipient).copied();
        matches!(mood, Some(Mood::HangAtQuit))
    }

    async fn receive(&self, mail: String, recipient: &str) -> &'static str {
        let mood = self.moods.lock().unwrap().get(recipient).copied();
        match mood {
            None | Some(Mood::HangAtQuit) => self.mails.lock().unwrap().push(mail),
            Some(Mood::Late(pause)) => {
                self.mails.lock().unwrap().push(mail);
                tokio::time::sleep(pause).await;
            }
            Some(Mood::Refuse(reply)) => {
                self.refused.fetch_add(1, SeqCst);
                return reply;
            }
            Some(Mood::Hang) => {
                self.hung.fetch_add(1, SeqCst);
                std::future::pending().await
            }
        }
        "250 kept"
    }
}
