//! Children: processes of this program over the database of a test.

use std::env;
use std::process::{Child, Command, ExitStatus, Stdio};

use sea_orm::ConnectOptions;

use super::{File, databases, options_of};

/// Runs a test with the options of a database that children use as well: a SQLite file, and a
/// database of its own on PostgreSQL if there is one.
pub async fn on_each(test: impl AsyncFn(ConnectOptions)) {
    let file = File::new();
    test(options_of(&file.url())).await;
    on_postgres(test).await;
}

/// Runs a test as [`on_each`] does, on PostgreSQL alone.
pub async fn on_postgres(test: impl AsyncFn(ConnectOptions)) {
    databases::on_postgres(async |options| test(options_of(options.get_url())).await).await;
}

/// Returns the command that starts this program once more, as a child that runs this ignored test.
pub fn child_of(test: &str, url: &str) -> Command {
    let mut child = Command::new(env::current_exe().unwrap());
    child
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env("FANFARE_OUTBOX_URL", url)
        .stdout(Stdio::null());
    child
}

/// Returns the URL of the database, or `None` if this process is no child.
pub fn url_of_child() -> Option<String> {
    env::var("FANFARE_OUTBOX_URL").ok()
}

/// Waits until the child has ended.
pub fn end_of(child: &mut Child) -> ExitStatus {
    tokio::task::block_in_place(|| child.wait().unwrap())
}
