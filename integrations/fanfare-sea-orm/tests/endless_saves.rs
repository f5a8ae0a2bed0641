//! A receiver that saves its own row again, without end, ends in a panic before the stack
//! overflows.
//!
//! An overflow would end the process, so each case runs in a process of its own. The file is a test
//! program of its own, so that `./test` can also run it optimized, with frames of other sizes.

#![cfg(all(
    feature = "sqlx-postgres",
    feature = "sqlx-sqlite",
    target_os = "linux",
    target_env = "gnu"
))]

mod common;

use std::env;
use std::process::Command;
use std::thread;

use crate::common::{databases, hear_async};
use fanfare_django::model::{POST_SAVE, PRE_SAVE};
use fanfare_sea_orm::{Executor, SignalConnection};
use sea_orm::{ActiveModelTrait, ConnectionTrait, Database, IntoActiveModel, NotSet, Schema, Set};
use tokio::runtime::{Builder, Runtime};

#[expect(unreachable_pub, reason = "the derive needs `pub`")]
mod parcel {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "endless_parcel")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub sender: String,
        pub recipient: String,
        pub street: String,
        pub city: String,
        pub country: String,
        pub weight: i64,
        pub width: i64,
        pub height: i64,
        pub depth: i64,
        pub insured: bool,
        pub note: Option<String>,
        pub saves: i32,
    }

    fanfare_sea_orm::model_signals!("endless.Parcel");
}

fn parcel() -> parcel::ActiveModel {
    let text = || Set("text".to_owned());
    parcel::ActiveModel {
        id: NotSet,
        sender: text(),
        recipient: text(),
        street: text(),
        city: text(),
        country: text(),
        weight: Set(1),
        width: Set(2),
        height: Set(3),
        depth: Set(4),
        insured: Set(true),
        note: Set(None),
        saves: Set(0),
    }
}

async fn save_without_end(db: SignalConnection) {
    let _again = hear_async(parcel::Entity, &POST_SAVE, |_sender, event| {
        Box::pin(async move {
            let db = event.connection::<Executor>().ok_or("no connection")?;
            let saved = event.instance::<parcel::Model>().ok_or("no parcel")?;
            let saves = saved.saves + 1;
            let mut parcel = saved.clone().into_active_model();
            parcel.saves = Set(saves);
            parcel.update(db).await?;
            Ok(())
        })
    });
    let _ = parcel().insert(&db).await;
}

async fn insert_without_end(db: SignalConnection) {
    let _again = hear_async(parcel::Entity, &PRE_SAVE, |_sender, event| {
        Box::pin(async move {
            let db = event.connection::<Executor>().ok_or("no connection")?;
            parcel().insert(db).await?;
            Ok(())
        })
    });
    let _ = parcel().insert(&db).await;
}

/// Runs the endless operations one after the other, each in a task, and asserts that each panics.
fn each_panics(runtime: Runtime) {
    async fn connected(mut options: sea_orm::ConnectOptions) -> SignalConnection {
        options.max_connections(1);
        let db = SignalConnection::new(Database::connect(options).await.unwrap());
        let schema = Schema::new(db.get_database_backend());
        let table = schema.create_table_from_entity(parcel::Entity);
        db.execute(&table).await.unwrap();
        db
    }
    async fn assert_refused(save: impl Future<Output = ()> + Send + 'static) {
        let panic = tokio::spawn(save).await.unwrap_err().into_panic();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains("sends are nested"), "{message}");
    }
    runtime.block_on(async {
        let sqlite = connected(databases::quiet("sqlite::memory:")).await;
        assert_refused(save_without_end(sqlite.clone())).await;
        assert_refused(insert_without_end(sqlite)).await;
        databases::on_postgres_schema(async |options| {
            let postgres = connected(options).await;
            assert_refused(save_without_end(postgres.clone())).await;
            assert_refused(insert_without_end(postgres)).await;
        })
        .await;
    });
}

#[test]
fn endless_saves_panic_on_a_worker_of_tokio() {
    survives("endless_saves_panic_on_a_worker_of_tokio", || {
        each_panics(Builder::new_multi_thread().enable_all().build().unwrap());
    });
}

#[test]
fn endless_saves_panic_on_the_current_thread() {
    survives("endless_saves_panic_on_the_current_thread", || {
        each_panics(Builder::new_current_thread().enable_all().build().unwrap());
    });
}

#[test]
fn endless_saves_panic_on_a_thread_of_512_kib() {
    survives("endless_saves_panic_on_a_thread_of_512_kib", || {
        let small = thread::Builder::new().stack_size(512 << 10);
        let thread = small.spawn(|| {
            each_panics(Builder::new_current_thread().enable_all().build().unwrap());
        });
        thread.unwrap().join().unwrap();
    });
}

/// Runs `case` in another process, which must not end by a signal.
fn survives(name: &str, case: impl FnOnce()) {
    const CHILD: &str = "FANFARE_ENDLESS_SAVES";
    if env::var(CHILD).is_ok_and(|child| child == name) {
        return case();
    }
    let mut child = Command::new(env::current_exe().unwrap());
    child
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, name);
    let output = child.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let shown = &errors[errors.floor_char_boundary(errors.len().saturating_sub(4_000))..];
    assert!(output.status.success(), "{}\n{shown}", output.status);
    let ran = String::from_utf8_lossy(&output.stdout);
    assert!(ran.contains("1 passed"), "{ran}");
}
