//! A new connection is lent to one receiver at a time, and each receiver gets it.

use fanfare::Sender;
use fanfare_django::db::{CONNECTION_CREATED, ConnectionCreated};

#[derive(Default)]
struct Connection {
    executed: Vec<String>,
}

#[test]
fn sync_receivers_get_it_one_after_the_other() {
    let app = Sender::named("one after the other");
    let connected = ["PRAGMA foreign_keys = ON", "PRAGMA busy_timeout = 100"].map(|sql| {
        CONNECTION_CREATED
            .options()
            .sender(app)
            .connect(move |_, event| {
                let mut connection = event.try_connection::<Connection>().ok_or("in use")?;
                connection.executed.push(sql.to_owned());
                Ok(())
            })
            .scoped()
    });

    let mut connection = Connection::default();
    let event = ConnectionCreated::new("replica", "sqlite", &mut connection);
    assert_eq!((event.using(), event.backend()), ("replica", "sqlite"));
    assert_eq!(
        CONNECTION_CREATED
            .from(app)
            .send_until_err(&event)
            .unwrap()
            .len(),
        2
    );
    drop(event);
    assert_eq!(
        connection.executed,
        ["PRAGMA foreign_keys = ON", "PRAGMA busy_timeout = 100"]
    );
    drop(connected);
}

#[test]
fn a_new_connection_has_one_type() {
    let mut connection = Connection::default();
    let event = ConnectionCreated::new("default", "sqlite", &mut connection);
    assert!(event.is::<Connection>() && !event.is::<String>());
    assert!(event.try_connection::<String>().is_none());
    assert!(event.try_connection::<Connection>().is_some());
}

#[test]
fn a_new_connection_is_in_use_until_its_guard_is_dropped() {
    let mut connection = Connection::default();
    let event = ConnectionCreated::new("default", "sqlite", &mut connection);
    let guard = event.try_connection::<Connection>().unwrap();
    assert!(event.try_connection::<Connection>().is_none());
    drop(guard);
    assert!(event.try_connection::<Connection>().is_some());
}

#[test]
fn a_receiver_that_panics_gives_it_back() {
    let mut connection = Connection::default();
    let event = ConnectionCreated::new("default", "sqlite", &mut connection);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _guard = event.try_connection::<Connection>().unwrap();
        panic!("with the connection");
    }));
    assert!(panicked.is_err());
    assert!(event.try_connection::<Connection>().is_some());
}

mod in_async_receivers {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    use tokio::task::yield_now;

    use super::*;

    /// Each receiver has the connection to itself over its awaits.
    #[test]
    fn many_take_turns() {
        for receivers in [1, 2, 3, 50] {
            let app = format!("many take turns: {receivers}");
            let connected: Vec<_> = (0..receivers)
                .map(|number| {
                    CONNECTION_CREATED
                        .options()
                        .sender(&app)
                        .connect_async(move |_, event| {
                            Box::pin(async move {
                                let wanted = event.connection::<Connection>().await;
                                let mut connection = wanted.ok_or("of another type")?;
                                connection.executed.push(format!("BEGIN {number}"));
                                yield_now().await;
                                connection.executed.push(format!("COMMIT {number}"));
                                Ok(())
                            })
                        })
                        .scoped()
                })
                .collect();

            let mut connection = Connection::default();
            let event = ConnectionCreated::new("default", "sqlite", &mut connection);
            let sent = CONNECTION_CREATED.from(&app).asend_until_err(&event);
            assert_eq!(pollster::block_on(sent).unwrap().len(), receivers);
            drop(event);
            drop(connected);

            let mut seen = Vec::new();
            for pair in connection.executed.chunks(2) {
                let number = pair[0].strip_prefix("BEGIN ").unwrap();
                assert_eq!(pair[1], format!("COMMIT {number}"));
                seen.push(number.parse::<usize>().unwrap());
            }
            seen.sort();
            assert_eq!(seen, Vec::from_iter(0..receivers));
        }
    }

    #[test]
    fn of_another_type_is_none_at_once() {
        let mut connection = Connection::default();
        let event = ConnectionCreated::new("default", "sqlite", &mut connection);
        let _in_use = event.try_connection::<Connection>().unwrap();
        assert!(pollster::block_on(event.connection::<String>()).is_none());
    }

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One that waits and is dropped takes no one else's turn with it.
    #[test]
    fn a_dropped_wait_leaves_the_others_theirs() {
        let mut connection = Connection::default();
        let event = ConnectionCreated::new("default", "sqlite", &mut connection);
        let guard = event.try_connection::<Connection>().unwrap();
        let (gone, stays) = (Arc::new(Counted::default()), Arc::new(Counted::default()));

        let mut waits = pin!(event.connection::<Connection>());
        {
            let mut dropped = pin!(event.connection::<Connection>());
            let waker = Waker::from(Arc::clone(&gone));
            assert!(
                dropped
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        let waker = Waker::from(Arc::clone(&stays));
        for _ in 0..3 {
            assert!(
                waits
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        drop(guard);
        assert_eq!(stays.0.load(Ordering::Relaxed), 1);
        let ready = waits.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(matches!(ready, Poll::Ready(Some(_))));
    }

    #[test]
    fn the_future_of_a_send_may_change_its_thread() {
        fn must_be_send<F: Future + Send>(future: F) -> F {
            future
        }
        let app = Sender::named("db: may change its thread");
        let _receiver = CONNECTION_CREATED
            .options()
            .sender(app)
            .connect_async(|_, event| {
                Box::pin(async move {
                    let connection = event.connection::<Connection>().await;
                    yield_now().await;
                    assert!(connection.unwrap().executed.is_empty());
                    Err("not this one".into())
                })
            })
            .scoped();

        let mut connection = Connection::default();
        let event = ConnectionCreated::new("default", "sqlite", &mut connection);
        let sent = must_be_send(CONNECTION_CREATED.from(app).asend_until_err(&event));
        let refused = pollster::block_on(sent).unwrap_err();
        assert_eq!(refused.error.to_string(), "not this one");
    }
}
