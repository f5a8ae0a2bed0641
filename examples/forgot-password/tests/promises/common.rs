//! The real program as a child process, and a mail server for it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reqwest::{Client, Response, StatusCode};
use sea_orm::prelude::ChronoUtc;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, QueryResult};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::smtp::MailServer;

/// Long enough for a busy machine: the time is not measured.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) struct Program {
    child: Child,
    pub(crate) url: String,
    log: Arc<Mutex<Vec<String>>>,
    /// Ends with the program's stderr.
    reader: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts the program on a free port, with its database in `folder`.
    pub(crate) fn start(folder: &Path, environment: &[(String, String)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_forgot-password"));
        command.arg(folder).env("PORT", "0");
        for name in [
            "ALLOWED_HOSTS",
            "DATABASE_URL",
            "CLIENT_HEADER",
            "LIMITS",
            "MAIL_FROM",
            "MAIL_WORKERS",
            "SECRET_KEY",
            "SECURE_COOKIES",
            "SMTP_TIMEOUT",
            "SMTP_URL",
        ] {
            command.env_remove(name);
        }
        command.envs(environment.iter().cloned());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();

        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let reader = std::thread::spawn(move || {
            let mut line = String::new();
            // A line without an end was being written when the program was killed.
            while stderr.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
                lines.lock().unwrap().push(line.trim_end().to_owned());
                line.clear();
            }
        });
        let mut first = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut first).unwrap();
        let url = first.trim().strip_prefix("listening on ");
        let url = url.unwrap_or_else(|| panic!("it said {first:?} and {:?}", log.lock().unwrap()));
        Program {
            url: url.to_owned(),
            child,
            log,
            reader: Some(reader),
        }
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Returns the address and port that it listens on.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// Returns the most memory that the process ever had, in MiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_mib(&self) -> usize {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak: usize = peak
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        peak / 1024
    }

    /// Counts the threads of the process.
    #[cfg(target_os = "linux")]
    pub(crate) fn threads(&self) -> usize {
        let tasks = format!("/proc/{}/task", self.child.id());
        std::fs::read_dir(tasks).unwrap().count()
    }

    /// Ends it at once, as a crash would; returns all that it had logged.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        self.log()
    }

    /// Sends it Ctrl-C.
    pub(crate) fn ctrl_c(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn interrupt(self) -> ExitStatus {
        self.ctrl_c();
        self.ended()
    }

    /// Waits until it has ended.
    pub(crate) fn ended(mut self) -> ExitStatus {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end: {:?}", self.log());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program, its folder, and a client with cookies.
///
/// The database is a file in the folder, or a new one in the PostgreSQL at `FANFARE_TEST_POSTGRES`.
pub(crate) struct Site {
    database_url: String,
    environment: Vec<(String, String)>,
    pub(crate) program: Option<Program>,
    pub(crate) folder: TempDir,
    pub(crate) client: Client,
}

pub(crate) const ADA: &str = "ada@example.org";
pub(crate) const OLD: &str = "correct horse";
pub(crate) const NEW: &str = "battery staple";

/// The requests whose mail is owed.
pub(crate) const OWED: &str = "reset_request WHERE expires_at IS NULL";
/// The requests whose mail has left, and that are not used, void or given up.
pub(crate) const MAILED: &str = "reset_request WHERE expires_at > requested_at";
/// The requests that are used, void or given up.
pub(crate) const OVER: &str = "reset_request WHERE expires_at = requested_at";

/// The durable events of the two lanes.
pub(crate) const FIRST: &str = "account.FirstMail";
pub(crate) const LATER: &str = "account.LaterMail";

impl Site {
    pub(crate) async fn start(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        // Each test is one client, unless it is of the limits.
        if !environment.iter().any(|(name, _)| name == "LIMITS") {
            environment.push(("LIMITS".to_owned(), "off".to_owned()));
        }
        let database_url = match std::env::var("FANFARE_TEST_POSTGRES") {
            Ok(server) => {
                let url = new_database(&server).await;
                environment.push(("DATABASE_URL".to_owned(), url.clone()));
                url
            }
            Err(_) => {
                let file = folder.path().join("forgot-password.db");
                format!("sqlite://{}", file.display())
            }
        };
        let client = Client::builder().cookie_store(true).no_proxy();
        let mut site = Site {
            database_url,
            environment,
            program: None,
            folder,
            client: client.build().unwrap(),
        };
        site.restart();
        site
    }

    /// Starts one that mails to a server of ours.
    pub(crate) async fn with_mail_server(is_up: bool) -> (MailServer, Self) {
        Site::with_patience(is_up, 60).await
    }

    /// Starts one that gives each mail `seconds` seconds, and mails to a server of ours.
    pub(crate) async fn with_patience(is_up: bool, seconds: u8) -> (MailServer, Self) {
        let server = MailServer::start(is_up).await;
        let (url, seconds) = (server.url(), seconds.to_string());
        let site = Site::start(&[("SMTP_URL", &url), ("SMTP_TIMEOUT", &seconds)]).await;
        (server, site)
    }

    /// Starts one where Ada has an account.
    pub(crate) async fn with_ada() -> Self {
        let site = Site::start(&[]).await;
        site.register(ADA).await;
        site
    }

    /// Starts one where Ada has an account and asked for a one-time password; returns that as well.
    pub(crate) async fn with_ada_who_forgot() -> (Self, String) {
        let site = Site::with_ada().await;
        let one_time = site.forgot_and_mailed(1).await;
        (site, one_time)
    }

    /// Starts the program again, with the same database.
    pub(crate) fn restart(&mut self) {
        self.program = Some(Program::start(self.folder.path(), &self.environment));
    }

    pub(crate) fn program(&self) -> &Program {
        self.program.as_ref().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.program().url)
    }

    pub(crate) async fn post(&self, what: &str, fields: Value) -> Response {
        let url = self.url(&format!("/user/account/{what}"));
        self.client.post(url).json(&fields).send().await.unwrap()
    }

    pub(crate) async fn status(&self, what: &str, fields: Value) -> StatusCode {
        self.post(what, fields).await.status()
    }

    pub(crate) async fn register(&self, email: &str) {
        let fields = json!({ "email": email, "password": OLD });
        assert_eq!(self.status("register", fields).await, 200);
    }

    pub(crate) async fn login(&self, password: &str) -> StatusCode {
        self.status("login", json!({ "email": ADA, "password": password }))
            .await
    }

    pub(crate) async fn forgot(&self, email: &str) {
        assert_eq!(
            self.status("forgot-password", json!({ "email": email }))
                .await,
            202
        );
    }

    /// Asks for Ada's one-time password, and returns the mails when there are `count` of them.
    pub(crate) async fn forgot_and_mailed(&self, count: usize) -> String {
        self.forgot(ADA).await;
        self.mailed(count).await.remove(0)
    }

    pub(crate) async fn reset(&self, one_time: &str) -> StatusCode {
        let fields = json!({ "email": ADA, "one_time_password": one_time, "new_password": NEW });
        self.status("reset-password", fields).await
    }

    pub(crate) async fn page(&self, path: &str) -> String {
        let page = self.client.get(self.url(path)).send().await.unwrap();
        page.text().await.unwrap()
    }

    /// Waits until the log has so many lines that start like this.
    pub(crate) async fn logged(&self, times: usize, start: &str) {
        let found = || {
            let log = self.program().log();
            log.iter().filter(|line| line.starts_with(start)).count()
        };
        until(async || (found() >= times).then_some(())).await;
        assert_eq!(found(), times, "{start} in {:#?}", self.program().log());
    }

    /// Returns the one-time passwords in the mailbox, the newest first, once there are `count` and
    /// no other is owed.
    pub(crate) async fn mailed(&self, count: usize) -> Vec<String> {
        self.settled().await;
        until(async || {
            let mails = one_time_passwords(&self.page("/dev/mailbox").await);
            (mails.len() >= count).then_some(mails)
        })
        .await
    }

    /// Waits until no mail is owed.
    pub(crate) async fn settled(&self) {
        until(async || (self.count(OWED).await == 0).then_some(())).await;
    }

    /// Connects to the database, from outside of the program.
    pub(crate) async fn database(&self) -> DatabaseConnection {
        connected(&self.database_url).await
    }

    pub(crate) async fn sql(&self, statement: &str) {
        self.database()
            .await
            .execute_unprepared(statement)
            .await
            .unwrap();
    }

    /// Adds accounts for `user0@example.org` and so on, with passwords that no client has.
    pub(crate) async fn add_users(&self, count: usize) {
        let numbers = numbers(count);
        self.sql(&format!(
            "INSERT INTO \"user\" (email, mailbox, password_hash, password_changes) {numbers} \
             SELECT 'user' || n || '@example.org', 'user' || n || '@example.org', '', 0 FROM numbers"
        ))
        .await;
    }

    /// Stores a hash for this account that takes `passes` passes over the memory instead of two. No
    /// password matches it, so each log-in takes that long and is refused.
    pub(crate) async fn slow_down_log_ins(&self, email: &str, passes: u32) {
        let (salt, output) = ("c29tZXRoaW5nc2FsdHk", "A".repeat(43));
        let hash = format!("$argon2id$v=19$m=19456,t={passes},p=1${salt}${output}");
        self.sql(&format!(
            "UPDATE \"user\" SET password_hash = '{hash}' WHERE email = '{email}'"
        ))
        .await;
    }

    /// Adds requests whose mails are owed by these events: to the first accounts, or to addresses
    /// without one.
    pub(crate) async fn add_owed(&self, count: usize, has_accounts: bool, event: &str) {
        let (numbers, now) = (numbers(count), ChronoUtc::now().to_rfc3339());
        let (name, user) = match has_accounts {
            true => ("user", "(SELECT min(id) FROM \"user\") + n"),
            false => ("nobody", "NULL"),
        };
        self.sql(&format!(
            "INSERT INTO reset_request (email, mailbox, user_id, requested_at, guesses_left) \
             {numbers} SELECT '{name}' || n || '@example.org', '{name}' || n || '@example.org', \
             {user}, '{now}', 3 FROM numbers"
        ))
        .await;
        self.owe(
            event,
            &format!("email LIKE '{name}%' AND expires_at IS NULL"),
        )
        .await;
    }

    /// Adds events that owe the mails of the requests with a condition, as the program stores them.
    pub(crate) async fn owe(&self, event: &str, condition: &str) {
        self.sql(&format!(
            "INSERT INTO fanfare_outbox_event (name, version, sender, key, payload) \
             SELECT '{event}', 1, 'key:' || id, 'key:' || id, '{{\"request\":' || id || '}}' \
             FROM reset_request WHERE {condition} ORDER BY id"
        ))
        .await;
    }

    /// Returns the number of rows of a table for each value of a column.
    pub(crate) async fn count_by(&self, column: &str, table: &str) -> BTreeMap<String, i64> {
        let db = self.database().await;
        let query =
            format!("SELECT {column} AS value, count(*) AS n FROM {table} GROUP BY {column}");
        let rows = db.query_all_raw(sea_orm::Statement::from_string(
            db.get_database_backend(),
            query,
        ));
        let rows = rows.await.unwrap();
        let pair = |row: &QueryResult| {
            (
                row.try_get("", "value").unwrap(),
                row.try_get("", "n").unwrap(),
            )
        };
        rows.iter().map(pair).collect()
    }

    /// Returns the number of rows of a table, with a condition.
    pub(crate) async fn count(&self, from: &str) -> i64 {
        let db = self.database().await;
        let query = format!("SELECT count(*) AS n FROM {from}");
        let row = db.query_one_raw(sea_orm::Statement::from_string(
            db.get_database_backend(),
            query,
        ));
        row.await.unwrap().unwrap().try_get("", "n").unwrap()
    }
}

/// Returns the numbers of starts and ends of each request in the log.
pub(crate) fn starts_and_ends(log: &[String]) -> BTreeMap<&str, (usize, usize)> {
    let mut seen = BTreeMap::<&str, (usize, usize)>::new();
    for line in log {
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some("start"), Some(id)) => seen.entry(id).or_default().0 += 1,
            (Some("end"), Some(id)) => seen.entry(id).or_default().1 += 1,
            _ => {}
        }
    }
    seen
}

/// Returns the numbers from 0 on, as a table of both databases.
fn numbers(count: usize) -> String {
    format!(
        "WITH RECURSIVE numbers (n) AS \
         (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {count})"
    )
}

async fn connected(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    // Without timeouts, for sqlx's upkeep of them can spin forever.
    options.max_connections(1);
    options.idle_timeout(None).max_lifetime(None);
    Database::connect(options).await.unwrap()
}

async fn new_database(server: &str) -> String {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let (pid, n) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    let name = format!("forgot_password_{pid}_{n}");
    let db = connected(server).await;
    let create = format!("CREATE DATABASE {name}");
    db.execute_unprepared(&create).await.unwrap();
    let (server, _old_name) = server.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

/// Asks again until there is a response.
pub(crate) async fn until<T>(question: impl AsyncFn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(response) = question().await {
            return response;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn one_time_passwords(text: &str) -> Vec<String> {
    let parts = text.split("one-time password: ").skip(1);
    parts.map(|part| part[..11].to_owned()).collect()
}
