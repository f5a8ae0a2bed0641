//! A migrator of two tables for each test, and the content of its signals.

use std::marker::PhantomData;
use std::sync::Mutex;

use fanfare::{Connection, ScopedConnection, Sender};
use fanfare_django::management::{Direction, Migrate, POST_MIGRATE, PRE_MIGRATE};
use fanfare_sea_orm::migration::{AppMigrator, executor};
use sea_orm::sea_query::{Alias, IntoIden};
use sea_orm::{DatabaseExecutor, DynIden};
use sea_orm_migration::prelude::*;

/// The names that distinguish the tests' migrators, which run at once.
pub(crate) trait App: Send + Sync + 'static {
    const LABEL: &'static str;
    /// `true` if the second migration fails.
    const FAILS: bool = false;
}

/// Applications of these names.
macro_rules! apps {
    ($($name:ident)*) => {$(
        struct $name;
        impl $crate::migrators::App for $name {
            const LABEL: &'static str = stringify!($name);
        }
    )*};
}
pub(crate) use apps;

pub(crate) struct Migrator<A>(PhantomData<fn() -> A>);

impl<A: App> MigratorTrait for Migrator<A> {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(Create("post", false)),
            Box::new(Create("comment", A::FAILS)),
        ]
    }

    fn migration_table_name() -> DynIden {
        Alias::new("migrations_of_the_app").into_iden()
    }
}

impl<A: App> AppMigrator for Migrator<A> {
    const APP_LABEL: &'static str = A::LABEL;
}

struct Create(&'static str, bool);

impl MigrationName for Create {
    fn name(&self) -> &str {
        self.0
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if self.1 {
            return Err(DbErr::Custom("no disk".into()));
        }
        let id = ColumnDef::new("id")
            .integer()
            .not_null()
            .primary_key()
            .take();
        manager
            .create_table(Table::create().table(self.0).col(id).take())
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(self.0).take()).await
    }
}

pub(crate) type Told = &'static Mutex<Vec<String>>;

/// Notes both signals of this app: the name, the operation, the plan, and the tables that exist.
pub(crate) fn note<A: App>() -> (Told, [ScopedConnection; 2]) {
    let told: Told = Box::leak(Box::default());
    let app = Sender::named(A::LABEL);
    let pre = PRE_MIGRATE
        .options()
        .sender(app)
        .connect_async(move |app, migrate| {
            assert_eq!(app.name(), Some(A::LABEL));
            Box::pin(async move {
                let text = format!("pre {}", told_of(migrate).await);
                told.lock().unwrap().push(text);
                Ok(())
            })
        });
    let post = POST_MIGRATE
        .options()
        .sender(app)
        .connect_async(move |app, migrate| {
            assert_eq!(app.name(), Some(A::LABEL));
            Box::pin(async move {
                let text = format!("post {}", told_of(migrate).await);
                told.lock().unwrap().push(text);
                Ok(())
            })
        });
    (told, [pre, post].map(Connection::scoped))
}

async fn told_of(migrate: &Migrate<'_>) -> String {
    let plan = migrate.plan().iter().map(|step| {
        let sign = if step.direction() == Direction::Up {
            '+'
        } else {
            '-'
        };
        format!("{sign}{}", step.name())
    });
    let plan = plan.collect::<Vec<_>>().join(" ");
    let tables = tables(executor(migrate).unwrap()).await.join(" ");
    format!("{:?} [{plan}] {{{tables}}}", migrate.operation())
}

/// Returns those of the app's tables that exist.
pub(crate) async fn tables(db: impl Into<DatabaseExecutor<'_>>) -> Vec<&'static str> {
    let manager = SchemaManager::new(db.into());
    let mut there = Vec::new();
    for table in ["post", "comment", "migrations_of_the_app"] {
        if manager.has_table(table).await.unwrap() {
            there.push(if table == "migrations_of_the_app" {
                "*"
            } else {
                table
            });
        }
    }
    there
}

pub(crate) fn taken(told: Told) -> Vec<String> {
    std::mem::take(&mut told.lock().unwrap())
}
