//! A receiver that blocks until the test releases it.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use fanfare::Sender;

/// Long enough for any machine; a wait that needs it has failed.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The other end of a receiver that blocks when it is called.
pub(crate) struct Blocked {
    runs: mpsc::Receiver<()>,
    go: mpsc::Sender<()>,
}

impl Blocked {
    pub(crate) fn wait_until_it_runs(&self) {
        self.runs.recv_timeout(LONG).expect("it was never called");
    }

    pub(crate) fn let_go(&self) {
        self.go.send(()).unwrap();
    }
}

/// Returns a receiver that blocks until it is released and then does `last`.
pub(crate) fn blocking(
    last: impl Fn() + Send + Sync + 'static,
) -> (impl Fn(Sender<'_>, &()) + Send + Sync + 'static, Blocked) {
    let (running, runs) = mpsc::channel();
    let (go, goes) = mpsc::channel();
    let goes = Mutex::new(goes);
    let receiver = move |_: Sender<'_>, (): &()| {
        running.send(()).unwrap();
        goes.lock().unwrap().recv().unwrap();
        last();
    };
    (receiver, Blocked { runs, go })
}
