//! Serving: how long a connection may take, and how the program ends.

use std::io;
use std::net::SocketAddr;
use std::process;
use std::time::Duration;

use axum::Router;
use axum_server::{Handle, Server};
use tokio::net::TcpListener;

use crate::log::log;

/// The time for the head of a request, from the first byte that is awaited to the last. A
/// connection without a request ends after it as well.
const HEAD: Duration = Duration::from_secs(10);
/// The time that open connections have after the first interrupt.
const HANG_UP: Duration = Duration::from_secs(5);
/// The exit code after the second interrupt: a shell's for a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Serves until the first interrupt, and then until the connections have ended, or for 5 seconds.
/// The second interrupt ends the program, also after this function has returned.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    mut interrupts: Interrupts,
) -> io::Result<()> {
    let handle = Handle::<SocketAddr>::new();
    let mut server = Server::from_listener(listener)
        .handle(handle.clone())
        .http1_only();
    server.http_builder().http1().header_read_timeout(HEAD);

    let ending = handle.clone();
    tokio::spawn(async move {
        interrupts.next().await;
        ending.graceful_shutdown(Some(HANG_UP));
        interrupts.next().await;
        log!("interrupted again: ended at once; the next start sends the mails that are owed");
        process::exit(INTERRUPTED);
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    server.serve(service).await?;
    match handle.connection_count() {
        0 => {}
        open => log!("ended with {open} open connections"),
    }
    Ok(())
}

/// Ctrl-C, and on Unix SIGTERM as well.
pub(crate) struct Interrupts {
    #[cfg(unix)]
    interrupted: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminated: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupted: tokio::signal::windows::CtrlC,
}

impl Interrupts {
    /// Collects interrupts from now on. Before this call, an interrupt ends the program.
    pub(crate) fn collect() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Interrupts {
                interrupted: signal(SignalKind::interrupt())?,
                terminated: signal(SignalKind::terminate())?,
            })
        }
        #[cfg(windows)]
        Ok(Interrupts {
            interrupted: tokio::signal::windows::ctrl_c()?,
        })
    }

    /// Waits for the next interrupt.
    async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
        #[cfg(windows)]
        self.interrupted.recv().await;
    }
}
