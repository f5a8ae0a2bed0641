//! Deliveries after a commit, and jobs that run among them.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Mutex, Once, PoisonError};

use fanfare::{BoxFuture, Event, Signal};
use fanfare_django::transaction::AfterCommit;
use futures_util::FutureExt;

/// Delivers the events that wait, and the events that receivers record meanwhile.
///
/// If a receiver panics, the other events are delivered, and then the first panic is resumed.
pub(crate) async fn deliver(after_commit: &AfterCommit) {
    let mut first_panic = None;
    loop {
        let mut taken = after_commit.take();
        if taken.is_empty() {
            break;
        }
        while !taken.is_empty() {
            let waiting = taken.len();
            let delivery = AssertUnwindSafe(taken.commit_async()).catch_unwind();
            if let Err(panic) = delivery.await {
                first_panic.get_or_insert(panic);
                // The send was refused, and each further try would be refused too.
                if taken.len() == waiting {
                    break;
                }
            }
        }
    }
    if let Some(panic) = first_panic {
        resume_unwind(panic);
    }
}

/// Runs `job` after the commit, in its place among the events that wait.
///
/// It is for a receiver that has a handle from its event. See also
/// [`SignalTransaction::on_commit`](crate::SignalTransaction::on_commit).
pub fn on_commit<F, Fut>(after_commit: &AfterCommit, job: F)
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    static CONNECT: Once = Once::new();
    CONNECT.call_once(|| {
        JOBS.connect_async(|_sender, job| {
            Box::pin(async move {
                let taken = job.0.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(start) = taken {
                    start().await;
                }
            })
        });
    });
    let start: Start = Box::new(move || Box::pin(job()));
    after_commit.record(&JOBS, Job(Mutex::new(Some(start))));
}

type Start = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// A job in the form of an event, so that it has its place among the others.
struct Job(Mutex<Option<Start>>);

impl Event for Job {
    type Args<'a> = Job;
}

static JOBS: Signal<Job> = Signal::new();
