//! A receiver that takes longer than its budget is reported to observers, with its cause.

use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use fanfare::Signal;
use fanfare::watch::{self, Context, ObservedReceiver, ObservedSend, Observer};

const BUDGET: Duration = Duration::from_millis(5);

/// An observer that writes the receivers down that took too long, each with the cause of its send.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<Vec<String>>>);

impl Slow {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Observer for Slow {
    fn over_budget(
        &self,
        send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
        duration: Duration,
    ) {
        assert!(duration > BUDGET);
        assert_eq!(receiver.budget(), Some(BUDGET));
        assert_eq!(Context::current().cause(), send.cause());
        let cause = send.cause().map(|cause| cause.receiver.to_string());
        let cause = cause.unwrap_or_else(|| "nothing".to_owned());
        let line = format!("{} caused by {cause}", receiver.name());
        self.0.lock().unwrap().push(line);
    }

    fn wants_durations(&self) -> bool {
        false
    }
}

fn pause(milliseconds: &u64) {
    sleep(Duration::from_millis(*milliseconds));
}

#[test]
fn a_receiver_over_its_budget_is_reported_with_its_cause() {
    let outer = Signal::<u64>::new();
    static INNER: Signal<u64> = Signal::new();
    let slow = Slow::default();
    let options = INNER.options().name("index").budget(BUDGET);
    options.connect(|_sender, milliseconds| pause(milliseconds));
    INNER.connect(|_sender, milliseconds| pause(milliseconds));
    let relay = outer.connect(|_sender, milliseconds| drop(INNER.send(milliseconds)));
    let _watches = [
        watch::signal(&outer, slow.clone()),
        watch::signal(&INNER, slow.clone()),
    ];
    outer.send(&0);
    assert!(slow.take().is_empty());
    outer.send(&8);
    assert_eq!(slow.take(), [format!("index caused by {}", relay.id())]);
}

#[cfg(feature = "async")]
#[test]
fn the_time_of_an_async_receiver_has_its_pauses() {
    let saved = Signal::<u64>::new();
    let slow = Slow::default();
    let options = saved.options().name("index").budget(BUDGET);
    options.connect_async(|_sender, milliseconds| {
        Box::pin(async move {
            smol::Timer::after(Duration::from_millis(*milliseconds)).await;
        })
    });
    let _watch = watch::signal(&saved, slow.clone());
    smol::block_on(saved.asend(&8));
    assert_eq!(slow.take(), ["index caused by nothing"]);
}

#[cfg(feature = "queue")]
#[test]
fn the_time_in_a_queue_does_not_count() {
    let saved = Signal::<u64>::new();
    let slow = Slow::default();
    let queue = fanfare::Queue::bounded(8).unwrap();
    let options = saved.options().queued(&queue);
    options.connect(|_sender, milliseconds| pause(milliseconds));
    let options = saved.options().name("quick").budget(BUDGET).queued(&queue);
    options.connect(|_sender, milliseconds| pause(&(milliseconds % 10)));
    let _watch = watch::signal(&saved, slow.clone());
    saved.send(&20);
    queue.flush().unwrap();
    assert!(slow.take().is_empty());
    saved.send(&9);
    queue.flush().unwrap();
    assert_eq!(slow.take(), ["quick caused by nothing"]);
}
