//! A receiver can refuse a migration, and no receiver gets the end of a failed one. In a
//! transaction receivers are inside of it.

use crate::common::databases::on_each;
use crate::common::refusal_of;
use crate::migrators::{App, Migrator, apps, note, tables, taken};
use fanfare::Sender;
use fanfare_django::management::{POST_MIGRATE, PRE_MIGRATE};
use fanfare_sea_orm::SignalConnection;
use fanfare_sea_orm::migration::{AppMigrator, Signalled, executor};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

apps!(Refused RefusedByDbErr RefusedByPanic AfterAll Inside OfOurs Owned Seeds Named);

struct Fails;

impl App for Fails {
    const LABEL: &'static str = "Fails";
    const FAILS: bool = true;
}

#[tokio::test]
async fn a_failed_migration_is_announced_and_never_over() {
    on_each(async |db| {
        let (told, _receivers) = note::<Fails>();
        let failed = Signalled::<Migrator<Fails>>::up(&db, None).await;
        assert_eq!(failed, Err(DbErr::Custom("no disk".into())));
        assert_eq!(taken(told), ["pre Up [+post +comment] {}"]);
        // As without signals, what came before the failure stays.
        assert_eq!(tables(&db).await, ["post", "*"]);
    })
    .await;
}

#[tokio::test]
async fn an_error_before_refuses() {
    on_each(async |db| {
        let app = Sender::named(Refused::LABEL);
        let _refuses = PRE_MIGRATE
            .options()
            .sender(app)
            .priority(1)
            .connect(|_, _| Err("not on a Friday".into()))
            .scoped();
        let (told, _receivers) = note::<Refused>();
        let refused = Signalled::<Migrator<Refused>>::fresh(&db).await;
        assert_eq!(refusal_of(&refused.unwrap_err()), "not on a Friday");
        assert!(taken(told).is_empty());
        assert!(tables(&db).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_error_of_the_database_keeps_its_type() {
    on_each(async |db| {
        let _refuses = PRE_MIGRATE
            .options()
            .sender(Sender::named(RefusedByDbErr::LABEL))
            .connect_async(|_, migrate| {
                Box::pin(async move {
                    let db = executor(migrate).ok_or("no connection")?;
                    db.execute_unprepared("SELECT * FROM no_such_table").await?;
                    Ok(())
                })
            })
            .scoped();
        let refused = Signalled::<Migrator<RefusedByDbErr>>::up(&db, None)
            .await
            .unwrap_err();
        assert!(matches!(&refused, DbErr::Exec(_)), "{refused:?}");
        assert!(tables(&db).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_panic_before_a_migration_travels_and_no_step_is_done() {
    on_each(async |db| {
        let panics = PRE_MIGRATE
            .options()
            .sender(Sender::named(RefusedByPanic::LABEL))
            .connect(|_, _| panic!("not at all"));
        let _panics = panics.scoped();
        let task = tokio::spawn({
            let db = db.clone();
            async move { Signalled::<Migrator<RefusedByPanic>>::up(&db, None).await }
        });
        assert!(task.await.unwrap_err().is_panic());
        assert!(tables(&db).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_error_after_a_migration_undoes_no_step() {
    on_each(async |db| {
        let _fails = POST_MIGRATE
            .options()
            .sender(Sender::named(AfterAll::LABEL))
            .connect(|_, _| Err("no rows for you".into()))
            .scoped();
        let failed = Signalled::<Migrator<AfterAll>>::up(&db, None).await;
        assert_eq!(refusal_of(&failed.unwrap_err()), "no rows for you");
        assert_eq!(tables(&db).await, ["post", "comment", "*"]);
    })
    .await;
}

/// Each pool has one connection here or may have one: receivers must find it free.
#[tokio::test]
async fn receivers_write_through_the_connection() {
    on_each(async |db| {
        let _seeds = POST_MIGRATE
            .options()
            .sender(Sender::named(Seeds::LABEL))
            .connect_async(|_, migrate| {
                Box::pin(async move {
                    let db = migrate
                        .connection::<DatabaseConnection>()
                        .ok_or("no connection")?;
                    db.execute_unprepared("INSERT INTO post VALUES (7)").await?;
                    Ok(())
                })
            })
            .scoped();
        Signalled::<Migrator<Seeds>>::up(&db, None).await.unwrap();
        let gone = db
            .execute_unprepared("DELETE FROM post WHERE id = 7")
            .await
            .unwrap();
        assert_eq!(gone.rows_affected(), 1);
    })
    .await;
}

/// A migrator takes a connection of ours as it is.
#[tokio::test]
async fn a_connection_with_signals_is_migrated_over_the_one_inside() {
    on_each(async |db| {
        let (told, _receivers) = note::<OfOurs>();
        let ours = SignalConnection::named("ours", db.clone());
        Signalled::<Migrator<OfOurs>>::up(&ours, None)
            .await
            .unwrap();
        Migrator::<OfOurs>::down(&ours, None).await.unwrap();
        let done = [
            "pre Up [+post +comment] {}",
            "post Up [+post +comment] {post comment *}",
        ];
        assert_eq!(taken(told), done);
        assert_eq!(tables(&db).await, ["*"]);
    })
    .await;
}

#[tokio::test]
async fn in_a_transaction_receivers_are_inside_of_it() {
    on_each(async |db| {
        let (told, _receivers) = note::<Inside>();
        let _inside = POST_MIGRATE
            .options()
            .sender(Sender::named(Inside::LABEL))
            .connect(|_, migrate| {
                assert!(migrate.connection::<DatabaseConnection>().is_none());
                assert!(migrate.connection::<DatabaseTransaction>().is_some());
                Ok(())
            })
            .scoped();
        let transaction = db.begin().await.unwrap();
        Signalled::<Migrator<Inside>>::up(&transaction, None)
            .await
            .unwrap();
        transaction.rollback().await.unwrap();
        let done = [
            "pre Up [+post +comment] {}",
            "post Up [+post +comment] {post comment *}",
        ];
        assert_eq!(taken(told), done);
        assert!(tables(&db).await.is_empty());
    })
    .await;
}

/// A transaction that is given away is rolled back when the migrator is done with it, as without
/// signals.
#[tokio::test]
async fn a_transaction_that_is_given_away_is_sent_as_any_other() {
    on_each(async |db| {
        let (told, _receivers) = note::<Owned>();
        let transaction = db.begin().await.unwrap();
        Migrator::<Owned>::up(transaction, None).await.unwrap();
        assert!(tables(&db).await.is_empty());
        let transaction = db.begin().await.unwrap();
        Signalled::<Migrator<Owned>>::up(transaction, None)
            .await
            .unwrap();
        assert!(tables(&db).await.is_empty());
        assert_eq!(taken(told).len(), 2);
    })
    .await;
}

struct OnReplica;

impl MigratorTrait for OnReplica {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Vec::new()
    }
}

impl AppMigrator for OnReplica {
    const APP_LABEL: &'static str = Named::LABEL;
    const USING: &'static str = "replica";
}

#[tokio::test]
async fn the_database_has_the_name_that_the_app_gives_it() {
    on_each(async |db| {
        let app = Sender::named(Named::LABEL);
        let _receiver = PRE_MIGRATE
            .options()
            .sender(app)
            .connect(|_, migrate| {
                assert_eq!(migrate.using(), "replica");
                assert_eq!((migrate.verbosity(), migrate.interactive()), (None, None));
                Err("seen".into())
            })
            .scoped();
        let seen = Signalled::<OnReplica>::up(&db, None).await.unwrap_err();
        assert!(seen.to_string().ends_with("seen"), "{seen}");
    })
    .await;
}
