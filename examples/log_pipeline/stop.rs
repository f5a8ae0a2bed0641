//! Ctrl-C: the first asks the program to stop, the second ends it.

use crate::view;
use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// By custom, 128 and the number of SIGINT.
pub(crate) const EXIT_CODE: u8 = 130;

/// When the first came.
static FIRST: LazyLock<watch::Sender<Option<Instant>>> = LazyLock::new(|| watch::Sender::new(None));

/// Handles Ctrl-C from here on. `temporary` is removed where the program is ended at once.
pub(crate) fn install(temporary: Option<PathBuf>) -> Result<(), ctrlc::Error> {
    LazyLock::force(&FIRST);
    ctrlc::set_handler(move || {
        if requested() {
            if let Some(path) = &temporary {
                let _ = fs::remove_file(path);
            }
            view::say(format_args!("ended at once: events are left undelivered"));
            process::exit(EXIT_CODE.into());
        }
        FIRST.send_replace(Some(Instant::now()));
        view::say(format_args!(
            "interrupted: delivering what was sent, Ctrl-C again ends at once"
        ));
    })
}

pub(crate) fn requested() -> bool {
    FIRST.borrow().is_some()
}

/// Waits for the first Ctrl-C.
pub(crate) async fn wait() {
    let mut first = FIRST.subscribe();
    // Fails if there is no sender any more, which a static always is.
    let _ = first.wait_for(Option::is_some).await;
}

/// Returns the rest of the grace that began with the first Ctrl-C, or all of it if there was none.
pub(crate) fn time_left(grace: Duration) -> Duration {
    let gone = FIRST.borrow().map_or(Duration::ZERO, |at| at.elapsed());
    grace.saturating_sub(gone)
}
