//! Forgotten passwords, done right, with each step a signal of fanfare's. See the README.

mod account;
mod email;
mod limits;
mod mailer;
mod model;
mod one_time;
mod outbox;
mod page;
mod password;
mod post;
mod receivers;
mod reset;
mod secret;
mod web;

use std::env::VarError;
use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use fanfare_sea_orm::SignalConnection;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::limits::Limits;
use crate::post::Post;

/// How long requests under way may take when the program is told to end.
const HANG_UP: Duration = Duration::from_secs(5);
/// How long mails under way may take after that.
const DRAIN: Duration = Duration::from_secs(25);

/// What handlers and receivers share.
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
            eprintln!("forgot-password: {error}");
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

async fn run() -> Result<(), Fatal> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let port = setting("PORT")?.unwrap_or_else(|| "8000".to_owned());
    let port: u16 = port
        .parse()
        .map_err(|error| format!("PORT is {port:?}: {error}"))?;
    let limits = Limits::from_environment()?;
    let post = Arc::new(Post::from_environment()?);
    if post.mailbox().is_some() {
        eprintln!("no SMTP_URL is set: anybody can read the mails at /dev/mailbox");
    }
    // Before the mails: where another program has the port, they are not ours to send.
    let address = (Ipv4Addr::LOCALHOST, port);
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|error| format!("PORT is {port}: {error}"))?;
    secret::prepare();
    password::prepare();

    receivers::connect_early();
    let db = model::connect(&folder).await?;
    receivers::connect(&db);
    let key = Arc::new(one_time::Key::load(&folder)?);
    let limits = Arc::new(limits);
    tokio::spawn(Arc::clone(&limits).upkeep());
    let app = App {
        db,
        post,
        key,
        limits,
    };
    let outbox = outbox::connect(&app)?;
    outbox.make_due().await?;
    let sweep = tokio::spawn(outbox.clone().sweep());

    // Before anybody can know of it: a signal that comes earlier kills.
    let (end, hang_up) = (told_to_end()?, told_to_end()?);
    println!("listening on http://{}", listener.local_addr()?);
    let service = web::router(app).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service);
    let server = server.with_graceful_shutdown(end);
    let too_late = async {
        hang_up.await;
        sleep(HANG_UP).await;
    };
    tokio::select! {
        ended = server => ended?,
        // Who has sent half a head would keep the server waiting.
        () = too_late => eprintln!("ended with connections open"),
    }

    sweep.abort();
    let left = spawn_blocking(move || outbox.shutdown(DRAIN)).await??;
    eprintln!("ended; {left} mails in the queue are left to the next start");
    Ok(())
}

/// Waits for Ctrl-C, and on Unix for SIGTERM as well, from this call on.
fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupted = signal(SignalKind::interrupt())?;
        let mut terminated = signal(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
            }
        })
    }
    #[cfg(windows)]
    {
        let mut interrupted = tokio::signal::windows::ctrl_c()?;
        Ok(async move { _ = interrupted.recv().await })
    }
}
