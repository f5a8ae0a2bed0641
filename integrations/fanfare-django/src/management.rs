//! Migrations: [`PRE_MIGRATE`] and [`POST_MIGRATE`].
//!
//! Weak points first. There is no frozen state of the models (Django's `apps`) and no `stdout`:
//! migrations in Rust have neither. A migrator that nobody wrapped sends nothing.
//!
//! Who sends them: `fanfare_sea_orm::migration::Signalled`, around a SeaORM migrator. A tool of
//! your own sends them with two lines, as in the example of [`Migrate`].
//!
//! What Django does: `migrate` sends both once for each installed app, also if nothing is to be
//! done, and the sender is the app's configuration. Here the sender is the app's label,
//! `Sender::named("blog")`, once for each migrator. An error of a receiver ends the operation, as
//! an exception does there.

use std::any::Any;
use std::fmt;

use fanfare::{Event, Signal};

use crate::{Answer, downcast};

/// Sent before a migrator changes anything, with what it is about to do.
///
/// An `Err` refuses: no later receiver runs, no migration runs, [`POST_MIGRATE`] is not sent, and
/// the caller of the migrator gets the error.
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
pub static PRE_MIGRATE: Signal<Migrate<'static>, Answer> = Signal::new();

/// Sent after a migrator has done what [`PRE_MIGRATE`] announced, also if that was nothing.
///
/// It is where an application writes the rows that it cannot be without. Not sent if the operation
/// failed. An `Err` undoes nothing: later receivers do not run, and the caller of the migrator gets
/// the error.
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
pub static POST_MIGRATE: Signal<Migrate<'static>, Answer> = Signal::new();

/// What a migrator is about to do, or has done: what [`PRE_MIGRATE`] and [`POST_MIGRATE`] carry, so
/// that one receiver can be connected to both.
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
    /// An operation and its steps in the order in which they run, on the database `"default"`.
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

    /// Adds the connection, which receivers get back by its type.
    pub fn with_connection<C: Any + Sync>(self, connection: &'a C) -> Self {
        Migrate {
            connection: Some(connection),
            ..self
        }
    }

    /// Adds how much is to be told: 0 nothing, 1 as usual, 2 and 3 more.
    pub fn with_verbosity(self, verbosity: u8) -> Self {
        Migrate {
            verbosity: Some(verbosity),
            ..self
        }
    }

    /// Adds whether somebody is there to be asked.
    pub fn with_interactive(self, interactive: bool) -> Self {
        Migrate {
            interactive: Some(interactive),
            ..self
        }
    }

    /// What was asked of the migrator.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The migrations to run or run, in their order; none if there was nothing to do.
    pub fn plan(&self) -> &'a [Step<'a>] {
        self.plan
    }

    /// The name of the database.
    pub fn using(&self) -> &'a str {
        self.using
    }

    /// The connection, or `None` if there is none or it is not a `C`.
    pub fn connection<C: Any>(&self) -> Option<&'a C> {
        downcast(self.connection?)
    }

    /// How much is to be told, if the migrator knows. SeaORM's does not.
    pub fn verbosity(&self) -> Option<u8> {
        self.verbosity
    }

    /// Whether somebody is there to be asked, if the migrator knows. SeaORM's does not.
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

/// What can be asked of a migrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Apply what is pending, or the first few of it.
    Up,
    /// Roll back what was applied, or the last few of it.
    Down,
    /// Drop every table, then apply everything. The drop is no step of the plan.
    Fresh,
    /// Roll back everything, then apply everything.
    Refresh,
    /// Roll back everything, and forget that migrations were ever run.
    Reset,
}

/// One migration of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step<'a> {
    name: &'a str,
    direction: Direction,
}

impl<'a> Step<'a> {
    /// A migration to apply.
    pub fn up(name: &'a str) -> Self {
        let direction = Direction::Up;
        Step { name, direction }
    }

    /// A migration to roll back.
    pub fn down(name: &'a str) -> Self {
        let direction = Direction::Down;
        Step { name, direction }
    }

    /// The migration's name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Whether it is applied or rolled back.
    pub fn direction(&self) -> Direction {
        self.direction
    }
}

/// Which way a migration runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It is applied.
    Up,
    /// It is rolled back.
    Down,
}
