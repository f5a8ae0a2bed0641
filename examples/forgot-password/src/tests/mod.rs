//! The signals of the program, seen by scopes of tests. The program runs in the process of the
//! test, without a socket. `tests/promises` has the tests over HTTP.

mod signals;

use std::net::{Ipv4Addr, SocketAddr};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Request, StatusCode};
use fanfare_outbox::DurableReceiver;
use sea_orm::{
    ActiveModelTrait, ConnectOptions, ConnectionTrait, Database, EntityTrait, QueryOrder, Set,
    Statement,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::Service as _;

use crate::host::KnownHosts;
use crate::limits::Limits;
use crate::model::{reset_request, user};
use crate::outbox;
use crate::post::Post;
use crate::web::{self, BODY_LIMIT};
use crate::{App, connect};

/// Long enough for a busy machine. No test waits for it, unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

const FROM: &str = "noreply@localhost";
const ADA: &str = "ada@example.org";
const OLD: &str = "correct horse";
const NEW: &str = "battery staple";

/// The program, connected in the scope of the test: its receivers that have a state exist in that
/// scope alone. Its durable receivers have the events of its connection alone. They get them while
/// the test has started the outbox.
struct Site {
    app: App,
    durable: [DurableReceiver; 2],
    router: Router,
    /// The folder of the database and the key, which the end of the test removes.
    _folder: TempDir,
}

impl Site {
    /// Starts one that mails into the mailbox.
    async fn start() -> Self {
        Site::with_post(Post::new(FROM, None).unwrap()).await
    }

    /// Starts one where Ada has an account.
    async fn with_ada() -> Self {
        let site = Site::start().await;
        site.add_account(ADA).await;
        site
    }

    async fn with_post(post: Post) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = match std::env::var("FANFARE_TEST_POSTGRES") {
            Ok(server) => Some(new_database(&server).await),
            Err(_) => None,
        };
        let limits = Limits::from_environment().unwrap();
        // The name of the folder is that of no other program of the process.
        let using = folder.path().display().to_string();
        let connected = connect(&using, folder.path(), database, post, limits).await;
        let (app, durable) = connected.unwrap();
        let hosts = KnownHosts::from_environment().unwrap();
        Site {
            router: web::router(app.clone(), hosts, false),
            app,
            durable,
            _folder: folder,
        }
    }

    /// Adds an account with a password that no client has, and returns its number.
    async fn add_account(&self, email: &str) -> i32 {
        let account = user::ActiveModel {
            email: Set(email.parse().unwrap()),
            mailbox: Set(email.to_owned()),
            password_hash: Set(String::new()),
            password_changes: Set(0),
            ..Default::default()
        };
        account.insert(&self.app.db).await.unwrap().id
    }

    /// Returns the only account.
    async fn account(&self) -> user::Model {
        let account = user::Entity::find().one(&self.app.db).await;
        account.unwrap().unwrap()
    }

    /// Posts JSON as a client does, and reads the response to its end.
    async fn post(&self, what: &str, fields: Value) -> StatusCode {
        let path = format!("/user/account/{what}");
        let request = Request::post(path)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .extension(ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 9))))
            .body(Body::from(fields.to_string()));
        let response = self.router.clone().call(request.unwrap()).await.unwrap();
        let status = response.status();
        to_bytes(response.into_body(), BODY_LIMIT).await.unwrap();
        status
    }

    async fn forgot(&self, email: &str) -> StatusCode {
        self.post("forgot-password", json!({ "email": email }))
            .await
    }

    async fn login(&self, password: &str) -> StatusCode {
        let fields = json!({ "email": ADA, "password": password });
        self.post("login", fields).await
    }

    async fn reset(&self, one_time: &str) -> StatusCode {
        let fields = json!({ "email": ADA, "one_time_password": one_time, "new_password": NEW });
        self.post("reset-password", fields).await
    }

    /// Returns the mails in the mailbox, the newest first.
    fn mails(&self) -> Vec<String> {
        self.app.post.mailbox().unwrap()
    }

    /// Sends the mails that are owed, and returns when they have left or are given up.
    async fn send_mails(&self) {
        let outbox = outbox::start(&self.app.db).await.unwrap();
        outbox.settle(PATIENCE).await.unwrap();
        outbox.shutdown().await;
    }

    /// Returns the names of the events that the outbox has, with their requests, the oldest first.
    async fn owed(&self) -> Vec<(String, i32)> {
        let db = &self.app.db;
        let query = "SELECT name, payload FROM fanfare_outbox_event ORDER BY id";
        let query = Statement::from_string(db.get_database_backend(), query);
        let rows = db.query_all_raw(query).await.unwrap();
        let owed = rows.iter().map(|row| {
            let payload: String = row.try_get("", "payload").unwrap();
            let payload: Value = serde_json::from_str(&payload).unwrap();
            let request = payload["request"].as_i64().unwrap();
            let name = row.try_get("", "name").unwrap();
            (name, request.try_into().unwrap())
        });
        owed.collect()
    }

    /// Returns the requests, the oldest first.
    async fn rows(&self) -> Vec<reset_request::Model> {
        let rows = reset_request::Entity::find().order_by_asc(reset_request::Column::Id);
        rows.all(&self.app.db).await.unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for receiver in &self.durable {
            receiver.disconnect();
        }
    }
}

/// Creates a database on this PostgreSQL, and returns its URL.
async fn new_database(server: &str) -> String {
    static CREATED: AtomicUsize = AtomicUsize::new(0);
    let (pid, n) = (process::id(), CREATED.fetch_add(1, Ordering::Relaxed));
    let name = format!("forgot_password_{pid}_{n}");
    let mut options = ConnectOptions::new(server);
    options.max_connections(1);
    options.idle_timeout(None).max_lifetime(None);
    let db = Database::connect(options).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    db.execute_unprepared(&create).await.unwrap();
    let (server, _old_name) = server.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}
