//! `update_fields` of `post_save` are those of the same save, whatever runs beside it or failed
//! before it.

use crate::common::entities::person;
use crate::common::rows::person;
use crate::common::{Log, hear, hear_async, on_each_database, sqlite_in_turn};
use fanfare::ScopedConnection;
use fanfare_django::model::{POST_SAVE, PRE_SAVE};
use fanfare_sea_orm::SignalConnection;
use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{
    ActiveModelTrait, ActiveValue, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Set,
    Statement, TransactionSession, TransactionTrait, Unchanged,
};

async fn saved(db: &SignalConnection, last_name: &str) -> person::Model {
    person(last_name).insert(db).await.unwrap()
}

fn rename_first(id: i32, to: &str) -> person::ActiveModel {
    person::ActiveModel {
        id: Unchanged(id),
        first_name: Set(to.to_owned()),
        ..Default::default()
    }
}

fn rename_last(id: i32, to: &str) -> person::ActiveModel {
    person::ActiveModel {
        id: Unchanged(id),
        last_name: Set(to.to_owned()),
        ..Default::default()
    }
}

fn watch(log: &Log) -> ScopedConnection {
    let log = log.clone();
    hear(person::Entity, &POST_SAVE, move |_sender, event| {
        let person = event.instance::<person::Model>().ok_or("not a person")?;
        let (first, last) = (&person.first_name, &person.last_name);
        log.push(format!("{first} {last}: {:?}", event.update_fields()));
        Ok(())
    })
}

tokio::task_local! {
    /// The column that the save under way writes. Receivers run inside the caller's future.
    static WRITES: &'static str;
}

/// Checks that each event lists the columns that its own save writes, whatever else runs.
fn check(log: &Log) -> ScopedConnection {
    let log = log.clone();
    hear_async(person::Entity, &POST_SAVE, move |_sender, event| {
        let log = log.clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            let is_own = event.update_fields() == Some(&[WRITES.get()]);
            log.push(if is_own { "own" } else { "another's" });
            Ok(())
        })
    })
}

/// Two updates of one row, many times over, mixed on one thread at every await: receivers yield.
#[tokio::test]
async fn two_updates_of_one_row_on_one_thread_do_not_mix() {
    on_each_database(async |db: SignalConnection| {
        let id = saved(&db, "y").await.id;
        let yields = PRE_SAVE.connect_async(|_sender, event| {
            let first = event
                .instance::<person::ActiveModel>()
                .map(|it| it.first_name.is_set());
            Box::pin(async move {
                for _ in 0..if first == Some(true) { 1 } else { 2 } {
                    tokio::task::yield_now().await;
                }
                Ok(())
            })
        });
        let _yields = yields.scoped();
        let log = Log::new();
        let _check = check(&log);
        for round in 0..50 {
            let first = rename_first(id, &format!("f{round}"));
            let last = rename_last(id, &format!("l{round}"));
            let (first, last) = tokio::join!(
                WRITES.scope("first_name", first.update(&db)),
                WRITES.scope("last_name", last.update(&db)),
            );
            first.unwrap();
            last.unwrap();
            assert_eq!(log.take(), ["own", "own"]);
        }
    })
    .await;
}

/// The same from tasks on several threads, between updates that fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn updates_on_many_threads_do_not_mix() {
    on_each_database(async |db: SignalConnection| {
        let id = saved(&db, "y").await.id;
        let log = Log::new();
        let _check = check(&log);
        let mut tasks = Vec::new();
        for task in 0..8 {
            let db = db.clone();
            tasks.push(tokio::spawn(async move {
                for round in 0..25 {
                    let name = format!("{task}.{round}");
                    let (writes, update) = if task % 2 == 0 {
                        ("first_name", rename_first(id, &name))
                    } else {
                        ("last_name", rename_last(id, &name))
                    };
                    WRITES.scope(writes, update.update(&db)).await.unwrap();
                    // One that fails before any statement, and one that fails in the database.
                    rename_missing().update(&db).await.unwrap_err();
                    rename_first(-1, &name).update(&db).await.unwrap_err();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(log.take(), ["own"; 200]);
    })
    .await;
}

/// Returns a row without a primary key: SeaORM refuses it after `before_save`, before any
/// statement.
fn rename_missing() -> person::ActiveModel {
    person::ActiveModel {
        id: ActiveValue::NotSet,
        first_name: Set("nobody".to_owned()),
        last_name: Set("nobody".to_owned()),
    }
}

#[tokio::test]
async fn a_failed_update_leaves_no_columns_behind() {
    on_each_database(async |db: SignalConnection| {
        let ada = saved(&db, "Lovelace").await;
        let byron = saved(&db, "Byron").await;
        let log = Log::new();
        let _watch = watch(&log);

        rename_missing().update(&db).await.unwrap_err();
        assert!(log.take().is_empty());
        // An insert has no such columns, although the update before it on this thread had some.
        saved(&db, "King").await;
        assert_eq!(log.take(), ["x King: None"]);

        // The unique index of the database refuses this one.
        rename_last(byron.id, "Lovelace")
            .update(&db)
            .await
            .unwrap_err();
        rename_first(ada.id, "Ada").update(&db).await.unwrap();
        assert_eq!(log.take(), ["Ada Lovelace: Some([\"first_name\"])"]);
    })
    .await;
}

#[tokio::test]
async fn an_update_that_is_dropped_leaves_no_columns_behind() {
    let (_turn, db) = sqlite_in_turn().await;
    let ada = saved(&db, "Lovelace").await;
    let log = Log::new();
    let _watch = watch(&log);
    // The pool has one connection, so this update waits for it, and is dropped there.
    let busy = db.begin().await.unwrap();
    let waiting = rename_last(ada.id, "King").update(&db);
    let waited = tokio::time::timeout(std::time::Duration::from_millis(20), waiting).await;
    assert!(waited.is_err());
    rename_first(ada.id, "Ada").update(&busy).await.unwrap();
    busy.commit().await.unwrap();
    assert_eq!(log.take(), ["Ada Lovelace: Some([\"first_name\"])"]);
}

/// A receiver that saves another row of the same entity, inside the save of the first.
#[tokio::test]
async fn a_save_inside_a_receiver_keeps_to_itself() {
    on_each_database(async |db: SignalConnection| {
        let ada = saved(&db, "Lovelace").await;
        let byron = saved(&db, "Byron").await;
        let log = Log::new();
        let _watch = watch(&log);
        let (over, inner) = (db.clone(), byron.id);
        let _nested = hear_async(person::Entity, &PRE_SAVE, move |_sender, event| {
            let is_outer = event
                .instance::<person::ActiveModel>()
                .map(|it| it.id != Unchanged(inner));
            let over = over.clone();
            Box::pin(async move {
                if is_outer == Some(true) {
                    rename_last(inner, "Milbanke").update(&over).await?;
                }
                Ok(())
            })
        });
        rename_first(ada.id, "Ada").update(&db).await.unwrap();
        assert_eq!(
            log.take(),
            [
                "x Milbanke: Some([\"last_name\"])",
                "Ada Lovelace: Some([\"first_name\"])"
            ]
        );
    })
    .await;
}

/// SeaORM's own connection carries no record: the columns are unknown, and the event returns that.
#[tokio::test]
async fn over_a_plain_connection_they_are_unknown() {
    on_each_database(async |db: SignalConnection| {
        let ada = saved(&db, "Lovelace").await;
        let log = Log::new();
        let _watch = watch(&log);
        rename_first(ada.id, "Ada")
            .update(db.inner())
            .await
            .unwrap();
        assert_eq!(log.take(), ["Ada Lovelace: None"]);
    })
    .await;
}

/// Somebody's wrapper that awaits something of its own, before or after our statement.
struct Slow {
    inner: SignalConnection,
    /// Times that it yields.
    before: usize,
    after: usize,
}

impl Slow {
    async fn around<T>(&self, statement: impl Future<Output = T>) -> T {
        for _ in 0..self.before {
            tokio::task::yield_now().await;
        }
        let result = statement.await;
        for _ in 0..self.after {
            tokio::task::yield_now().await;
        }
        result
    }
}

#[async_trait]
impl ConnectionTrait for Slow {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        self.around(self.inner.execute_raw(stmt)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.around(self.inner.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.around(self.inner.query_one_raw(stmt)).await
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.around(self.inner.query_all_raw(stmt)).await
    }

    fn support_returning(&self) -> bool {
        self.inner.support_returning()
    }
}

/// It breaks the chain from step to step: they may be unknown then, and are never those of another
/// row.
#[tokio::test]
async fn behind_a_wrapper_that_awaits_they_are_of_no_other_row() {
    on_each_database(async |db: SignalConnection| {
        let first = saved(&db, "y").await.id;
        let last = saved(&db, "z").await.id;
        let told = Log::new();
        let log = told.clone();
        let _watch = hear(person::Entity, &POST_SAVE, move |_sender, event| {
            let id = event.instance::<person::Model>().ok_or("not a person")?.id;
            log.push(format!("{}: {:?}", id == first, event.update_fields()));
            Ok(())
        });
        for (before, after) in [(0, 0), (0, 3), (3, 0), (1, 2)] {
            let inner = db.clone();
            let slow = Slow {
                inner,
                before,
                after,
            };
            for round in 0..20 {
                let name = format!("{before} {after} {round}");
                let (one, other) = tokio::join!(
                    rename_first(first, &name).update(&slow),
                    rename_last(last, &name).update(&slow),
                );
                one.unwrap();
                other.unwrap();
            }
        }
        let told = told.take();
        for line in &told {
            let is_own = [
                r#"true: Some(["first_name"])"#,
                r#"false: Some(["last_name"])"#,
                "true: None",
                "false: None",
            ];
            assert!(is_own.contains(&line.as_str()), "{line}");
        }
        assert!(
            told[..40].iter().all(|line| !line.ends_with("None")),
            "{told:?}"
        );
    })
    .await;
}
