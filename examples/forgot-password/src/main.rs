//! Forgotten passwords, done right, with each step a signal of fanfare's. See the README.

// `log!` escapes its text.
#![deny(clippy::print_stderr)]

mod account;
mod email;
mod host;
mod limits;
mod log;
mod mailer;
mod model;
mod one_time;
mod outbox;
mod page;
mod password;
mod post;
mod private;
mod receivers;
mod reset;
mod respond;
mod secret;
mod serve;
mod smtp;
#[cfg(test)]
mod tests;
mod web;

use std::env::VarError;
use std::error::Error;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use fanfare_outbox::DurableReceiver;
use fanfare_sea_orm::SignalConnection;
use tokio::net::TcpListener;

use crate::host::KnownHosts;
use crate::limits::Limits;
use crate::log::log;
use crate::post::Post;
use crate::serve::Interrupts;

/// The state that handlers and receivers share.
#[derive(Clone)]
struct App {
    db: SignalConnection,
    post: Arc<Post>,
    key: Arc<one_time::Key>,
    limits: Arc<Limits>,
}

/// Why the program does not start, or ends.
type Fatal = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log!("forgot-password: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A setting, if it is set.
fn setting(name: &str) -> Result<Option<String>, Fatal> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("{name} is not Unicode").into()),
    }
}

/// A setting that is `on` or `off`.
fn switch(name: &str, default: bool) -> Result<bool, Fatal> {
    match setting(name)?.as_deref() {
        None => Ok(default),
        Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(other) => Err(format!("{name} is {other:?}: set it to on or off").into()),
    }
}

/// Connects the database, under the name `using`, and all receivers. Returns the durable ones, too.
async fn connect(
    using: &str,
    folder: &Path,
    database_url: Option<String>,
    post: Post,
    limits: Limits,
) -> Result<(App, [DurableReceiver; 2]), Fatal> {
    fanfare::connect_receivers();
    let db = model::connect(using, folder, database_url).await?;
    receivers::connect(&db);
    let app = App {
        db,
        post: Arc::new(post),
        key: Arc::new(one_time::Key::load(folder)?),
        limits: Arc::new(limits),
    };
    let durable = outbox::connect(&app)?;
    Ok((app, durable))
}

async fn run() -> Result<(), Fatal> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let port = setting("PORT")?.unwrap_or_else(|| "8000".to_owned());
    let port: u16 = port
        .parse()
        .map_err(|error| format!("PORT is {port:?}: {error}"))?;
    let hosts = KnownHosts::from_environment()?;
    let limits = Limits::from_environment()?;
    let has_secure_cookies = switch("SECURE_COOKIES", false)?;
    let post = Post::from_environment()?;
    if post.has_mailbox() {
        log!("no SMTP_URL is set: anybody can read the mails at /dev/mailbox");
    }
    // Before the mails: where another program has the port, they are not ours to send.
    let address = (Ipv4Addr::LOCALHOST, port);
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|error| format!("PORT is {port}: {error}"))?;
    secret::prepare();
    password::prepare();

    let database_url = setting("DATABASE_URL")?;
    let (app, _durable) = connect("default", &folder, database_url, post, limits).await?;
    tokio::spawn(Arc::clone(&app.limits).upkeep());
    let outbox = outbox::start(&app.db).await?;
    let upkeep = tokio::spawn(outbox::upkeep(app.db.clone(), outbox.clone()));

    // Before the line with the address, because from then on an interrupt must be graceful.
    let interrupts = Interrupts::collect()?;
    println!("listening on http://{}", listener.local_addr()?);
    let router = web::router(app, hosts, has_secure_cookies);
    serve::serve(listener, router, interrupts).await?;

    upkeep.abort();
    let left = outbox::end(outbox).await?;
    log!("ended; {left} mails that are owed are left to the next start");
    Ok(())
}
