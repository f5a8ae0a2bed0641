//! The signals of each operation of a migrator are sent before and after it, with its plan.
//! Operations that only look send no signal.

use crate::common::databases::on_each;
use crate::migrators::{App, Migrator, apps, note, tables, taken};
use fanfare_sea_orm::migration::{AppMigrator, Signalled};
use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

apps!(Up Steps Down Fresh Refresh Reset Looks First Second CommandLine Missing);

#[tokio::test]
async fn up_is_sent_with_the_pending_migrations_also_if_there_are_none() {
    on_each(async |db| {
        let (told, _receivers) = note::<Up>();
        Signalled::<Migrator<Up>>::up(&db, None).await.unwrap();
        let done = [
            "pre Up [+post +comment] {}",
            "post Up [+post +comment] {post comment *}",
        ];
        assert_eq!(taken(told), done);
        Signalled::<Migrator<Up>>::up(&db, None).await.unwrap();
        assert_eq!(
            taken(told),
            ["pre Up [] {post comment *}", "post Up [] {post comment *}"]
        );
    })
    .await;
}

#[tokio::test]
async fn steps_limit_the_plan() {
    on_each(async |db| {
        let (told, _receivers) = note::<Steps>();
        Signalled::<Migrator<Steps>>::up(&db, Some(1))
            .await
            .unwrap();
        assert_eq!(
            taken(told),
            ["pre Up [+post] {}", "post Up [+post] {post *}"]
        );
        Signalled::<Migrator<Steps>>::up(&db, Some(9))
            .await
            .unwrap();
        let done = [
            "pre Up [+comment] {post *}",
            "post Up [+comment] {post comment *}",
        ];
        assert_eq!(taken(told), done);
        Signalled::<Migrator<Steps>>::down(&db, Some(1))
            .await
            .unwrap();
        let done = [
            "pre Down [-comment] {post comment *}",
            "post Down [-comment] {post *}",
        ];
        assert_eq!(taken(told), done);
        Signalled::<Migrator<Steps>>::down(&db, Some(0))
            .await
            .unwrap();
        assert_eq!(
            taken(told),
            ["pre Down [] {post *}", "post Down [] {post *}"]
        );
    })
    .await;
}

#[tokio::test]
async fn down_is_sent_with_the_applied_migrations_last_first() {
    on_each(async |db| {
        Migrator::<Down>::up(&db, None).await.unwrap();
        let (told, _receivers) = note::<Down>();
        Signalled::<Migrator<Down>>::down(&db, None).await.unwrap();
        let done = [
            "pre Down [-comment -post] {post comment *}",
            "post Down [-comment -post] {*}",
        ];
        assert_eq!(taken(told), done);
    })
    .await;
}

#[tokio::test]
async fn fresh_is_sent_with_every_migration() {
    on_each(async |db| {
        Migrator::<Fresh>::up(&db, Some(1)).await.unwrap();
        let (told, _receivers) = note::<Fresh>();
        Signalled::<Migrator<Fresh>>::fresh(&db).await.unwrap();
        let done = [
            "pre Fresh [+post +comment] {post *}",
            "post Fresh [+post +comment] {post comment *}",
        ];
        assert_eq!(taken(told), done);
    })
    .await;
}

#[tokio::test]
async fn refresh_is_sent_once_with_both_ways() {
    on_each(async |db| {
        Migrator::<Refresh>::up(&db, Some(1)).await.unwrap();
        let (told, _receivers) = note::<Refresh>();
        Signalled::<Migrator<Refresh>>::refresh(&db).await.unwrap();
        let done = [
            "pre Refresh [-post +post +comment] {post *}",
            "post Refresh [-post +post +comment] {post comment *}",
        ];
        assert_eq!(taken(told), done);
    })
    .await;
}

#[tokio::test]
async fn reset_is_sent_and_leaves_no_table() {
    on_each(async |db| {
        Migrator::<Reset>::up(&db, None).await.unwrap();
        let (told, _receivers) = note::<Reset>();
        Signalled::<Migrator<Reset>>::reset(&db).await.unwrap();
        let done = [
            "pre Reset [-comment -post] {post comment *}",
            "post Reset [-comment -post] {}",
        ];
        assert_eq!(taken(told), done);
    })
    .await;
}

#[tokio::test]
async fn what_only_looks_is_silent() {
    type Wrapped = Signalled<Migrator<Looks>>;
    on_each(async |db| {
        let (told, _receivers) = note::<Looks>();
        assert_eq!(Wrapped::migrations().len(), 2);
        assert_eq!(
            Wrapped::get_pending_migrations_read_only(&db)
                .await
                .unwrap()
                .len(),
            2
        );
        assert!(
            Wrapped::get_applied_migrations_read_only(&db)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(tables(&db).await.is_empty());
        Wrapped::status(&db).await.unwrap();
        assert_eq!(Wrapped::get_pending_migrations(&db).await.unwrap().len(), 2);
        Wrapped::install(&db).await.unwrap();
        // The table has the name that the wrapped migrator gives it.
        assert_eq!(tables(&db).await, ["*"]);
        Wrapped::uninstall(&db).await.unwrap();
        assert!(tables(&db).await.is_empty());
        assert!(taken(told).is_empty());
    })
    .await;
}

#[tokio::test]
async fn each_app_is_sent_once_to_its_receivers() {
    on_each(async |db| {
        let (first, _receivers) = note::<First>();
        let (second, _receivers) = note::<Second>();
        Signalled::<Migrator<First>>::up(&db, None).await.unwrap();
        assert_eq!((taken(first).len(), taken(second).len()), (2, 0));
        Signalled::<Migrator<Second>>::up(&db, None).await.unwrap();
        assert_eq!((taken(first).len(), taken(second).len()), (0, 2));
    })
    .await;
}

/// The command line takes its migrator by this trait.
#[tokio::test]
async fn the_command_line_sends_signals() {
    on_each(async |db| {
        let (told, _receivers) = note::<CommandLine>();
        let migrator = Signalled::<Migrator<CommandLine>>::new();
        sea_orm_migration::MigratorTraitSelf::up(&migrator, &db, None)
            .await
            .unwrap();
        sea_orm_migration::MigratorTraitSelf::down(&migrator, &db, Some(1))
            .await
            .unwrap();
        sea_orm_migration::MigratorTraitSelf::fresh(&migrator, &db)
            .await
            .unwrap();
        sea_orm_migration::MigratorTraitSelf::refresh(&migrator, &db)
            .await
            .unwrap();
        sea_orm_migration::MigratorTraitSelf::reset(&migrator, &db)
            .await
            .unwrap();
        assert_eq!(taken(told).len(), 10);
        sea_orm_migration::MigratorTraitSelf::status(&migrator, &db)
            .await
            .unwrap();
        assert!(taken(told).is_empty());
    })
    .await;
}

/// One whose last migration has been deleted.
struct Shorter;

impl MigratorTrait for Shorter {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut migrations = Migrator::<Missing>::migrations();
        migrations.pop();
        migrations
    }

    fn migration_table_name() -> sea_orm::DynIden {
        Migrator::<Missing>::migration_table_name()
    }
}

impl AppMigrator for Shorter {
    const APP_LABEL: &'static str = Missing::LABEL;
}

#[tokio::test]
async fn an_applied_migration_without_a_file_fails_before_any_send() {
    on_each(async |db| {
        Migrator::<Missing>::up(&db, None).await.unwrap();
        let (told, _receivers) = note::<Missing>();
        for failed in [
            Signalled::<Shorter>::up(&db, None).await,
            Signalled::<Shorter>::down(&db, None).await,
            Signalled::<Shorter>::refresh(&db).await,
            Signalled::<Shorter>::reset(&db).await,
        ] {
            assert!(matches!(failed, Err(DbErr::Custom(text)) if text.contains("comment")));
        }
        assert!(taken(told).is_empty());
        Signalled::<Shorter>::fresh(&db).await.unwrap();
        let done = [
            "pre Fresh [+post] {post comment *}",
            "post Fresh [+post] {post *}",
        ];
        assert_eq!(taken(told), done);
        let inserted = db
            .execute_unprepared("INSERT INTO post VALUES (1)")
            .await
            .unwrap();
        assert_eq!(inserted.rows_affected(), 1);
    })
    .await;
}
