//! Forgotten passwords, done right, with each step a signal of fanfare's. See the README.

mod account;
mod mailer;
mod model;
mod page;
mod post;
mod receivers;
mod reset;
mod secret;
mod web;

use std::error::Error;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fanfare_sea_orm::SignalConnection;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

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
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let port = std::env::var("PORT").map_or(Ok(8000), |port| port.parse::<u16>())?;
    let post = Arc::new(Post::from_environment()?);
    secret::prepare();

    receivers::connect_early();
    let db = model::connect(&folder).await?;
    receivers::connect(&db);
    let app = App { db, post };
    let queue = mailer::connect(&app)?;
    mailer::make_due(&app.db).await?;
    let sweep = tokio::spawn(mailer::sweep(app.db.clone(), queue.clone()));

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let server = axum::serve(listener, web::router(app));
    let server = server.with_graceful_shutdown(told_to_end());
    let too_late = async {
        told_to_end().await;
        sleep(HANG_UP).await;
    };
    tokio::select! {
        ended = server => ended?,
        // Who has sent half a head would keep the server waiting.
        () = too_late => eprintln!("ended with connections open"),
    }

    sweep.abort();
    let report = spawn_blocking(move || queue.shutdown(DRAIN)).await??;
    let left = report.undelivered.len() + report.still_running;
    eprintln!("ended; {left} mails in the queue are left to the next start");
    Ok(())
}

/// Waits for Ctrl-C, and on Unix for SIGTERM as well.
async fn told_to_end() {
    let interrupted = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            eprintln!("no Ctrl-C: {error}");
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => _ = signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}
