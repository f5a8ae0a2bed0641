//! The mail server of `SMTP_URL`, and one connection to it for each mail.

use std::fmt::Display;
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use url::Url;

use crate::post::PostError;

/// The time that the mail server has for the reply to QUIT. Nothing depends on that reply.
const GOODBYE: Duration = Duration::from_secs(5);

/// A mail server, and how to talk to it.
pub(crate) struct MailServer {
    host: String,
    port: u16,
    tls: Tls,
    hello_name: ClientId,
    credentials: Option<Credentials>,
    pub(crate) timeout: Duration,
}

impl MailServer {
    /// Reads a URL as lettre's `AsyncSmtpTransport::from_url` does. The errors are without the URL,
    /// which may have a password in it.
    pub(crate) fn from_url(url: &str, timeout: Duration) -> Result<Self, String> {
        let url = Url::parse(url).map_err(because)?;
        let host = url
            .host_str()
            .ok_or("it has no host")?
            .trim_matches(['[', ']']);
        let tls = url.query_pairs().find(|(name, _)| name == "tls");
        let tls = tls.map(|(_, value)| value);
        let secured = || TlsParameters::new(host.to_owned()).map_err(because);
        let (port, tls) = match (url.scheme(), tls.as_deref()) {
            ("smtp", None) => (SMTP_PORT, Tls::None),
            ("smtp", Some("required")) => (SUBMISSION_PORT, Tls::Required(secured()?)),
            ("smtp", Some("opportunistic")) => (SUBMISSION_PORT, Tls::Opportunistic(secured()?)),
            ("smtps", _) => (SUBMISSIONS_PORT, Tls::Wrapper(secured()?)),
            _ => {
                return Err(String::from(
                    "it is of another kind: begin it with smtps:// or smtp://, and tls, if it is \
                     set, is required or opportunistic",
                ));
            }
        };
        let hello_name = match url.path().trim_matches('/') {
            "" => ClientId::default(),
            name => ClientId::Domain(name.to_owned()),
        };
        let credentials = url.password().map(|password| {
            let name = decoded(url.username())?;
            Ok::<_, String>(Credentials::new(name, decoded(password)?))
        });
        Ok(MailServer {
            host: host.to_owned(),
            port: url.port().unwrap_or(port),
            tls,
            hello_name,
            credentials: credentials.transpose()?,
            timeout,
        })
    }

    /// Returns once the server has taken the mail. The connection ends in a task of its own:
    /// whatever the server replies to QUIT, it has the mail.
    ///
    /// A send that runs out of time drops its connection in the middle of the conversation.
    pub(crate) async fn send(&self, mail: &Message) -> Result<(), PostError> {
        let conversation = async {
            let connected = self.connect().await;
            let mut connection = connected.map_err(PostError::Session)?;
            let sent = connection.send(mail.envelope(), &mail.formatted()).await;
            sent.map_err(PostError::Smtp)?;
            Ok(connection)
        };
        let sent = timeout(self.timeout, conversation).await;
        let mut connection = sent.map_err(|_| PostError::Timeout(self.timeout))??;
        tokio::spawn(async move { timeout(GOODBYE, connection.abort()).await });
        Ok(())
    }

    /// Connects, encrypts and authenticates, as the URL asks.
    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let wrapper = match &self.tls {
            Tls::Wrapper(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let server = (&*self.host, self.port);
        let name = &self.hello_name;
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), name, wrapper, None)
                .await?;
        let starttls = match &self.tls {
            Tls::Required(parameters) => Some(parameters),
            Tls::Opportunistic(parameters) => {
                Some(parameters).filter(|_| connection.can_starttls())
            }
            Tls::None | Tls::Wrapper(_) => None,
        };
        if let Some(parameters) = starttls {
            connection.starttls(parameters.clone(), name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

fn because(error: impl Display) -> String {
    error.to_string()
}

fn decoded(text: &str) -> Result<String, String> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(String::from).map_err(because)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lettre::transport::smtp::client::Tls;

    use super::MailServer;

    fn server(url: &str) -> Result<MailServer, String> {
        MailServer::from_url(url, Duration::ZERO)
    }

    #[test]
    fn a_url_has_the_server_and_its_encryption() {
        let port_and_tls = |url: &str| {
            let server = server(url).unwrap();
            assert_eq!(server.host, "mail.example.org");
            let tls = match server.tls {
                Tls::None => "none",
                Tls::Opportunistic(_) => "opportunistic",
                Tls::Required(_) => "required",
                Tls::Wrapper(_) => "wrapper",
            };
            (server.port, tls)
        };
        let plain = "smtp://mail.example.org";
        assert_eq!(port_and_tls(plain), (25, "none"));
        let required = "smtp://mail.example.org?tls=required";
        assert_eq!(port_and_tls(required), (587, "required"));
        let opportunistic = "smtp://mail.example.org?tls=opportunistic";
        assert_eq!(port_and_tls(opportunistic), (587, "opportunistic"));
        let wrapped = "smtps://mail.example.org:2465";
        assert_eq!(port_and_tls(wrapped), (2465, "wrapper"));
    }

    #[test]
    fn a_url_that_asks_for_another_encryption_is_refused() {
        for url in [
            "smtp://mail.example.org?tls=yes",
            "https://mail.example.org",
            "smtp:x",
        ] {
            assert!(server(url).is_err(), "{url}");
        }
    }
}
