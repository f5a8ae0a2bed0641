//! Receivers can read the plan of a migrator, refuse it before it is carried out, and react to it
//! afterwards.

use std::sync::Mutex;

use fanfare::{Connection, Sender};
use fanfare_django::management::{Direction, Migrate, Operation, POST_MIGRATE, PRE_MIGRATE, Step};

struct Database(&'static str);

#[test]
fn receivers_get_everything_that_the_migrator_knows() {
    let database = Database("memory");
    let plan = [Step::down("m0001_post"), Step::up("m0001_post")];
    let event = Migrate::new(Operation::Refresh, &plan)
        .with_using("replica")
        .with_connection(&database)
        .with_verbosity(2)
        .with_interactive(false);

    assert_eq!(event.operation(), Operation::Refresh);
    let steps: Vec<_> = event
        .plan()
        .iter()
        .map(|step| (step.name(), step.direction()))
        .collect();
    assert_eq!(
        steps,
        [
            ("m0001_post", Direction::Down),
            ("m0001_post", Direction::Up)
        ]
    );
    assert_eq!(event.using(), "replica");
    assert_eq!(event.connection::<Database>().unwrap().0, "memory");
    assert!(event.connection::<String>().is_none());
    assert_eq!(
        (event.verbosity(), event.interactive()),
        (Some(2), Some(false))
    );
}

#[test]
fn unknown_parts_of_a_plan_are_none() {
    let event = Migrate::new(Operation::Up, &[]);
    assert!(event.plan().is_empty());
    assert_eq!(event.using(), "default");
    assert!(event.connection::<Database>().is_none());
    assert_eq!((event.verbosity(), event.interactive()), (None, None));
}

/// The sender is the app's label.
#[test]
fn sent_once_per_app_to_the_receivers_of_that_app() {
    static SEEN: Mutex<Vec<(String, usize)>> = Mutex::new(Vec::new());
    let blog = Sender::named("sent_once: blog");
    let receiver = |sender: Sender<'_>, event: &Migrate<'_>| {
        let app = sender.name().unwrap().to_owned();
        SEEN.lock().unwrap().push((app, event.plan().len()));
        Ok(())
    };
    let connected = [
        PRE_MIGRATE.options().sender(blog).connect(receiver),
        POST_MIGRATE.options().sender(blog).connect(receiver),
    ];

    let plan = [Step::up("m0001_post")];
    let event = Migrate::new(Operation::Up, &plan);
    for app in ["sent_once: blog", "sent_once: shop"] {
        assert!(PRE_MIGRATE.from(app).send_until_err(&event).is_ok());
        assert!(POST_MIGRATE.from(app).send_until_err(&event).is_ok());
    }
    let once = ("sent_once: blog".to_owned(), 1);
    assert_eq!(*SEEN.lock().unwrap(), [once.clone(), once]);
    drop(connected.map(Connection::scoped));
}

#[test]
fn an_error_refuses_and_later_receivers_do_not_run() {
    let app = Sender::named("an_error_refuses");
    let _refuses = PRE_MIGRATE
        .options()
        .sender(app)
        .connect(|_, event| match event.operation() {
            Operation::Fresh => Err("this is production".into()),
            _ => Ok(()),
        })
        .scoped();
    let _later = PRE_MIGRATE
        .options()
        .sender(app)
        .connect(|_, event| {
            assert_ne!(event.operation(), Operation::Fresh);
            Ok(())
        })
        .scoped();

    let fresh = Migrate::new(Operation::Fresh, &[]);
    let refused = PRE_MIGRATE.from(app).send_until_err(&fresh).unwrap_err();
    assert_eq!(refused.error.to_string(), "this is production");
    assert_eq!(
        PRE_MIGRATE
            .from(app)
            .send_until_err(&Migrate::new(Operation::Up, &[]))
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn the_future_of_a_send_may_change_its_thread() {
    fn must_be_send<F: Future + Send>(future: F) -> F {
        future
    }
    let app = Sender::named("may change its thread");
    let _receiver = POST_MIGRATE
        .options()
        .sender(app)
        .connect_async(|_, event| {
            Box::pin(async move {
                let database = event.connection::<Database>().ok_or("no database")?;
                assert_eq!(database.0, "memory");
                Ok(())
            })
        })
        .scoped();

    let database = Database("memory");
    let event = Migrate::new(Operation::Up, &[]).with_connection(&database);
    let sent = pollster::block_on(must_be_send(POST_MIGRATE.from(app).asend_until_err(&event)));
    assert_eq!(sent.unwrap().len(), 1);
    let without = Migrate::new(Operation::Up, &[]);
    let failed = pollster::block_on(POST_MIGRATE.from(app).asend_until_err(&without)).unwrap_err();
    assert_eq!(failed.error.to_string(), "no database");
}

#[test]
fn one_receiver_can_be_declared_for_both() {
    use fanfare_django::ReceiverResult;

    static SEEN: Mutex<Vec<Operation>> = Mutex::new(Vec::new());
    #[fanfare::receiver(PRE_MIGRATE, sender = "declared for both")]
    #[fanfare::receiver(POST_MIGRATE, sender = "declared for both")]
    async fn note(_app: Sender<'_>, migrate: &Migrate<'_>) -> ReceiverResult {
        SEEN.lock().unwrap().push(migrate.operation());
        Ok(())
    }

    fanfare::connect_receivers();
    let event = Migrate::new(Operation::Reset, &[]);
    assert!(
        PRE_MIGRATE
            .from("declared for both")
            .send_until_err(&event)
            .is_ok()
    );
    assert!(
        pollster::block_on(
            POST_MIGRATE
                .from("declared for both")
                .asend_until_err(&event)
        )
        .is_ok()
    );
    assert_eq!(*SEEN.lock().unwrap(), [Operation::Reset; 2]);
}
