//! A signal, and all that is made from it, may be held across an `.await` by a task that
//! goes from thread to thread, also where the event borrows.
#![cfg(feature = "async")]

use std::sync::Arc;

use fanfare::{Event, Signal};
use tokio::task::{spawn, yield_now};

struct Line<'a> {
    text: &'a str,
}

impl Event for Line<'static> {
    type Args<'a> = Line<'a>;
}

type Lines = Signal<Line<'static>, Result<usize, String>>;

#[tokio::test]
async fn a_signal_is_held_across_an_await() {
    let sent = spawn(async {
        let signal = Lines::new();
        signal.connect(|_, line| Ok(line.text.len()));
        yield_now().await;
        let text = String::from("abc");
        let line = Line { text: &text };
        let responses = signal.asend(&line).await;
        yield_now().await;
        let outcomes = signal.asend_robust(&line).await;
        let tried = signal.asend_until_err(&line).await;
        yield_now().await;
        (
            responses.len(),
            outcomes.len(),
            tried.is_ok_and(|all| *all == [3]),
        )
    });
    assert_eq!(sent.await.unwrap(), (1, 1, true));
}

struct App {
    read: Lines,
}

#[tokio::test]
async fn a_struct_with_a_signal_is_shared_by_tasks() {
    let app = Arc::new(App {
        read: Signal::new(),
    });
    app.read
        .connect_async(|_, line| Box::pin(async { Ok(line.text.len()) }));
    let tasks = (0..4).map(|_| {
        let app = Arc::clone(&app);
        spawn(async move {
            let own = Arc::clone(&app);
            yield_now().await;
            own.read
                .from("web")
                .asend(&Line { text: "ab" })
                .await
                .into_vec()
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), [Ok(2)]);
    }
}

#[tokio::test]
async fn parts_made_from_a_signal_are_held_across_awaits() {
    static READ: Lines = Signal::new();
    let sent = spawn(async {
        let options = READ.options();
        let second = READ.options().dispatch_uid("second");
        yield_now().await;
        options.connect(|_, line| Ok(line.text.len()));
        let connection = second.connect(|_, _| Err("none".to_owned()));
        let mut emitter = READ.emitter();
        yield_now().await;
        assert!(connection.disconnect());
        emitter.from("web").send(&Line { text: "abc" }).into_vec()
    });
    assert_eq!(sent.await.unwrap(), [Ok(3)]);
}
