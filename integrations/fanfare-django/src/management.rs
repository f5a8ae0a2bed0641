//! Migrations: [`PRE_MIGRATE`] and [`POST_MIGRATE`].
//!
//! `fanfare_sea_orm::migration::Signalled` sends them, around a SeaORM migrator. A tool of your own
//! sends them with two lines, as in the example of [`Migrate`].
//!
//! # Limitations
//!
//! The events have no frozen state of the models (Django's `apps`) and no `stdout`, because
//! migrations in Rust have neither. A migrator that is not wrapped does not send.

use std::any::Any;
use std::fmt;

use fanfare::{Event, Signal};

use crate::{ReceiverResult, downcast};

/// Sent when a migrator is about to run, with its plan, before it changes anything.
///
/// - **Sender**: the app's label, `Sender::named("blog")`.
/// - **When**: it is sent once for each migrator.
/// - **Errors**: an `Err` refuses the operation. No later receiver runs, no migration runs,
///   [`POST_MIGRATE`] is not sent, and the caller of the migrator gets the error.
/// - **Django**: `migrate` sends it once for each installed app, also if there is nothing to do.
///   The sender is the app's configuration. An exception of a receiver ends the operation.
///
/// ```
/// use fanfare::Sender;
/// use fanfare_django::management::{Direction, Migrate, Operation, PRE_MIGRATE, Step};
///
/// PRE_MIGRATE.options().sender(Sender::named("blog")).connect(|_app, migrate| {
///     match migrate.plan().iter().find(|step| step.direction() == Direction::Down) {
///         Some(step) => Err(format!("{} would lose data", step.name()).into()),
///         None => Ok(()),
///     }
/// });
///
/// let blog = Sender::named("blog");
/// let up = [Step::up("m0001_post"), Step::up("m0002_comment")];
/// assert!(PRE_MIGRATE.from(blog).send_until_err(&Migrate::new(Operation::Up, &up)).is_ok());
///
/// let down = [Step::down("m0002_comment")];
/// let down = Migrate::new(Operation::Down, &down);
/// let refused = PRE_MIGRATE.from(blog).send_until_err(&down).unwrap_err();
/// assert_eq!(refused.error.to_string(), "m0002_comment would lose data");
/// ```
pub static PRE_MIGRATE: Signal<Migrate<'static>, ReceiverResult> = Signal::new();

/// Sent when a migrator has done what [`PRE_MIGRATE`] announced, also if there was nothing to do.
///
/// An application writes the rows that it requires in receivers of this signal.
///
/// - **Sender**: the app's label, `Sender::named("blog")`.
/// - **When**: it is sent once for each migrator. It is not sent if the operation failed.
/// - **Errors**: an `Err` undoes nothing. Later receivers do not run, and the caller of the
///   migrator gets the error.
/// - **Django**: `migrate` sends it once for each installed app, also if there is nothing to do.
///   The sender is the app's configuration. An exception of a receiver ends the operation.
///
/// ```
/// use fanfare::Sender;
/// use fanfare_django::management::{Migrate, Operation, POST_MIGRATE};
///
/// POST_MIGRATE.connect(|app, migrate| {
///     println!("{app}: {} steps on {}", migrate.plan().len(), migrate.using());
///     Ok(())
/// });
/// let nothing = Migrate::new(Operation::Up, &[]);
/// assert_eq!(POST_MIGRATE.from(Sender::named("blog")).send_until_err(&nothing).unwrap().len(), 1);
/// ```
pub static POST_MIGRATE: Signal<Migrate<'static>, ReceiverResult> = Signal::new();

fanfare::signals!(PRE_MIGRATE, POST_MIGRATE);

/// The event of [`PRE_MIGRATE`] and [`POST_MIGRATE`]: the operation of a migrator and its plan.
///
/// One receiver can be connected to both signals.
///
/// ```
/// use fanfare_django::management::{
///     Direction, Migrate, Operation, POST_MIGRATE, PRE_MIGRATE, Step,
/// };
///
/// struct Database {
///     url: &'static str,
/// }
///
/// POST_MIGRATE.connect(|app, migrate| {
///     assert_eq!(app.name(), Some("blog"));
///     assert_eq!(migrate.operation(), Operation::Up);
///     assert_eq!(migrate.plan()[0].name(), "m0001_post");
///     assert_eq!(migrate.plan()[0].direction(), Direction::Up);
///     assert_eq!(migrate.using(), "replica");
///     let database = migrate.connection::<Database>().ok_or("sent with another database")?;
///     assert_eq!(database.url, "memory");
///     Ok(())
/// });
///
/// // What a migration tool does:
/// let database = Database { url: "memory" };
/// let plan = [Step::up("m0001_post")];
/// let migrate = Migrate::new(Operation::Up, &plan)
///     .with_using("replica")
///     .with_connection(&database);
/// PRE_MIGRATE.from("blog").send_until_err(&migrate).map_err(|refused| refused.error)?;
/// // ... it runs the plan ...
/// POST_MIGRATE.from("blog").send_until_err(&migrate).map_err(|failed| failed.error)?;
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Migrate<'a> {
    operation: Operation,
    plan: &'a [Step<'a>],
    using: &'a str,
    connection: Option<&'a (dyn Any + Sync)>,
    verbosity: Option<u8>,
    interactive: Option<bool>,
}

impl Event for Migrate<'static> {
    type Args<'a> = Migrate<'a>;
}

impl<'a> Migrate<'a> {
    /// Returns an event for an operation on the database `"default"`, with its steps in the order
    /// in which they run.
    pub fn new(operation: Operation, plan: &'a [Step<'a>]) -> Self {
        Migrate {
            operation,
            plan,
            using: "default",
            connection: None,
            verbosity: None,
            interactive: None,
        }
    }

    /// Names the database.
    pub fn with_using(self, using: &'a str) -> Self {
        Migrate { using, ..self }
    }

    /// Adds the connection, which receivers get by its type.
    pub fn with_connection<C: Any + Sync>(self, connection: &'a C) -> Self {
        Migrate {
            connection: Some(connection),
            ..self
        }
    }

    /// Adds the amount of output: 0 for no output, 1 for the usual, 2 and 3 for more.
    pub fn with_verbosity(self, verbosity: u8) -> Self {
        Migrate {
            verbosity: Some(verbosity),
            ..self
        }
    }

    /// Sets whether a user is there to respond to prompts.
    pub fn with_interactive(self, interactive: bool) -> Self {
        Migrate {
            interactive: Some(interactive),
            ..self
        }
    }

    /// Returns the operation that was requested.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Returns the migrations to run or run, in their order. The list is empty if there was nothing
    /// to do.
    pub fn plan(&self) -> &'a [Step<'a>] {
        self.plan
    }

    /// Returns the name of the database.
    pub fn using(&self) -> &'a str {
        self.using
    }

    /// Returns the connection, or `None` if there is no connection or it is not a `C`.
    pub fn connection<C: Any>(&self) -> Option<&'a C> {
        downcast(self.connection?)
    }

    /// Returns the amount of output, if the migrator knows it. SeaORM's does not.
    pub fn verbosity(&self) -> Option<u8> {
        self.verbosity
    }

    /// Returns `Some(true)` if a user is there to respond to prompts, and `None` if the migrator
    /// does not know it. SeaORM's does not.
    pub fn interactive(&self) -> Option<bool> {
        self.interactive
    }
}

impl fmt::Debug for Migrate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrate")
            .field("operation", &self.operation)
            .field("plan", &self.plan)
            .field("using", &self.using)
            .finish_non_exhaustive()
    }
}

/// An operation of a migrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Apply the pending migrations, or the first few of them.
    Up,
    /// Roll back the applied migrations, or the last few of them.
    Down,
    /// Drop every table, then apply every migration. The drop is not a step of the plan.
    Fresh,
    /// Roll back every migration, then apply every migration.
    Refresh,
    /// Roll back every migration, and delete the record of migrations.
    Reset,
}

/// One migration of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step<'a> {
    name: &'a str,
    direction: Direction,
}

impl<'a> Step<'a> {
    /// Returns a migration to apply.
    pub fn up(name: &'a str) -> Self {
        let direction = Direction::Up;
        Step { name, direction }
    }

    /// Returns a migration to roll back.
    pub fn down(name: &'a str) -> Self {
        let direction = Direction::Down;
        Step { name, direction }
    }

    /// Returns the migration's name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Returns its direction: applied or rolled back.
    pub fn direction(&self) -> Direction {
        self.direction
    }
}

/// The direction of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The migration is applied.
    Up,
    /// The migration is rolled back.
    Down,
}
