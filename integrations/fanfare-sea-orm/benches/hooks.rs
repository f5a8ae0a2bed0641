//! Measures the time that the hooks add to an update of one row, in an SQLite in memory:
//! `hooks/{without,none,one,connection,after_commit}`.
//!
//! `without` is SeaORM alone, `none` an entity with hooks where nobody listens, `one` a receiver of
//! `post_save`, `connection` the same through a `SignalConnection`, and `after_commit` one that
//! records an event to be sent after the commit, which is at once here.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use fanfare::{Sender, Signal};
use fanfare_django::model::POST_SAVE;
use fanfare_sea_orm::SignalConnection;
use sea_orm::{
    ActiveModelTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Set,
};
use tokio::runtime::{Builder, Runtime};

macro_rules! entity {
    ($module:ident, $table:literal, $($behavior:tt)*) => {
        #[allow(dead_code, unreachable_pub, reason = "SeaORM's macro makes more than is used")]
        mod $module {
            use sea_orm::entity::prelude::*;

            #[sea_orm::model]
            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub struct Model {
                #[sea_orm(primary_key)]
                pub id: i32,
                pub visits: i32,
            }

            $($behavior)*
        }
    };
}

entity!(bare, "bare", impl ActiveModelBehavior for ActiveModel {});
entity!(quiet, "quiet", fanfare_sea_orm::model_signals!("bench.Quiet"););
entity!(heard, "heard", fanfare_sea_orm::model_signals!("bench.Heard"););
entity!(told, "told", fanfare_sea_orm::model_signals!("bench.Told"););

/// The signal that is sent after the commit, with an id.
static SAVED: Signal<i32> = Signal::new();

fn connect() {
    let options = POST_SAVE.options().sender(Sender::of::<heard::Entity>());
    options.connect(|_sender, event| {
        black_box(event.created());
        Ok(())
    });
    let options = POST_SAVE.options().sender(Sender::of::<told::Entity>());
    options.connect(|_sender, event| {
        let user = event.instance::<told::Model>().ok_or("not told of")?;
        let after_commit = event.after_commit().ok_or("no transaction")?;
        after_commit.record(&SAVED, user.id);
        Ok(())
    });
    SAVED.connect(|_sender, id| {
        black_box(*id);
    });
}

async fn database() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await.unwrap();
    for table in ["bare", "quiet", "heard", "told"] {
        db.execute_unprepared(&format!(
            "CREATE TABLE {table} (id INTEGER PRIMARY KEY, visits INTEGER NOT NULL); INSERT INTO {table} VALUES (1, 0)"
        ))
        .await
        .unwrap();
    }
    db
}

macro_rules! updates {
    ($group:expr, $runtime:expr, $name:literal, $module:ident, $db:expr) => {
        let mut visits = 0;
        $group.bench_function($name, |b| {
            b.iter(|| {
                visits += 1;
                let row = $module::ActiveModel {
                    id: Set(1),
                    visits: Set(visits),
                };
                $runtime.block_on(row.update($db)).unwrap()
            })
        });
    };
}

fn hooks(c: &mut Criterion) {
    let runtime: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let db = runtime.block_on(database());
    let signalled = SignalConnection::new(db.clone());
    connect();
    let mut group = c.benchmark_group("hooks");
    updates!(group, runtime, "without", bare, &db);
    updates!(group, runtime, "none", quiet, &db);
    updates!(group, runtime, "one", heard, &db);
    updates!(group, runtime, "connection", heard, &signalled);
    updates!(group, runtime, "after_commit", told, &signalled);
    group.finish();
}

criterion_group!(benches, hooks);
criterion_main!(benches);
