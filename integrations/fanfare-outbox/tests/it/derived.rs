//! Events with `#[derive(DurableEvent)]`: what is stored, and the tests that the derive adds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fanfare::{Event, Signal};
use fanfare_outbox::{Durable, DurableEvent, SendDurable};
use sea_orm::{ConnectionTrait, Statement};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::common::{LONG, Log, on_each_database, start};

#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize, DurableEvent)]
#[durable(name = "derived.Paid", version = 2, upcast = from_euros, key = order)]
#[serde(rename_all = "camelCase")]
struct Paid {
    order: i64,
    #[serde(rename = "total")]
    cents: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lines: Vec<(String, u32)>,
}

/// Returns the payload of version 2 for one of version 1.
fn from_euros(version: u32, mut payload: Value) -> Option<Value> {
    if version == 1 {
        payload["total"] = (payload["euros"].as_u64()? * 100).into();
    }
    Some(payload)
}

#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize, DurableEvent)]
#[durable(name = "derived.Ended", key = Ended::order)]
#[serde(tag = "kind")]
enum Ended {
    Paid {
        order: i64,
    },
    #[serde(rename = "gone")]
    Left,
}

impl Ended {
    fn order(&self) -> Option<String> {
        match self {
            Ended::Paid { order } => Some(order.to_string()),
            Ended::Left => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize, DurableEvent)]
#[durable(name = "derived.Opened")]
struct Opened;

/// A crate that has fanfare-outbox as a part of its own.
mod my_api {
    pub(crate) use ::fanfare_outbox;
}

#[derive(
    Clone, Debug, PartialEq, Event, Serialize, Deserialize, my_api::fanfare_outbox::DurableEvent,
)]
#[durable(name = "derived.\"Counted\" twice", key = 0, crate = my_api::fanfare_outbox)]
struct Counted(u64);

static PAID: Signal<Paid> = Signal::new();

#[tokio::test]
async fn a_derived_event_is_stored_with_its_name_version_and_key() {
    on_each_database(async |db| {
        let sent = Paid {
            order: 7,
            cents: 900,
            lines: Vec::new(),
        };
        db.send_durable(&PAID, "till", &sent).await.unwrap();
        let sql = "SELECT name, version, key, payload FROM fanfare_outbox_event";
        let statement = Statement::from_string(db.get_database_backend(), sql);
        let row = db.query_one_raw(statement).await.unwrap().unwrap();
        let text = |column| row.try_get::<String>("", column).unwrap();
        assert_eq!(text("name"), "derived.Paid");
        assert_eq!(row.try_get::<i64>("", "version").unwrap(), 2);
        assert_eq!(text("key"), "event:7");
        assert_eq!(text("payload"), r#"{"order":7,"total":900}"#);
    })
    .await;
}

#[tokio::test]
async fn the_upcast_of_a_derived_event_reads_an_older_version() {
    on_each_database(async |db| {
        let log = Log::new();
        let seen = log.clone();
        let receiver = PAID
            .durable("derived.log")
            .connect_async(move |_sender, paid| {
                seen.push((**paid).clone());
                Box::pin(async { Ok::<_, String>(()) })
            });
        let receiver = receiver.unwrap();
        let outbox = start(&db).await;
        let insert = "INSERT INTO fanfare_outbox_event (name, version, sender, key, payload) \
             VALUES ('derived.Paid', 1, '', 'event:7', '{\"order\":7,\"euros\":9}')";
        db.execute_unprepared(insert).await.unwrap();
        outbox.settle(LONG).await.unwrap();
        let new = Paid {
            order: 7,
            cents: 900,
            lines: Vec::new(),
        };
        assert_eq!(log.take(), [new]);
        receiver.disconnect();
        outbox.shutdown().await;
    })
    .await;
}

#[test]
fn a_derived_event_has_its_fields_as_text() {
    assert_eq!(
        Paid::SCHEMA,
        Some(
            "#[serde(rename_all = \"camelCase\")] struct {order: i64, #[serde(rename = \"total\")] cents: u64, \
             #[serde(default, skip_serializing_if = \"Vec::is_empty\")] lines: Vec<(String, u32)>}"
        )
    );
    assert_eq!(
        Ended::SCHEMA,
        Some("#[serde(tag = \"kind\")] enum {Paid {order: i64}, #[serde(rename = \"gone\")] Left}")
    );
    assert_eq!(Opened::SCHEMA, Some("struct"));
    let keys = [
        Ended::Paid { order: 8 }.key(),
        Ended::Left.key(),
        Opened.key(),
        Counted(9).key(),
    ];
    assert_eq!(
        keys,
        [Some("8".to_owned()), None, None, Some("9".to_owned())]
    );
}

/// The test that the derive adds to an event of this file, for a package whose folder is `folder`.
fn recorded_test(folder: &Path, event: &str, records: Option<&str>) -> Command {
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.arg(format!("derived::durable_event_{event}_is_recorded"));
    test.args(["--exact", "--nocapture"]);
    test.env("CARGO_MANIFEST_DIR", folder);
    test.env_remove("FANFARE_DURABLE_EVENTS");
    if let Some(value) = records {
        test.env("FANFARE_DURABLE_EVENTS", value);
    }
    test
}

/// Returns `true` if the test passed, and its output.
fn ended(output: &Output) -> (bool, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("running 1 test"), "{text}");
    (output.status.success(), text)
}

/// A folder that is deleted on drop.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("fanfare-outbox-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_test_of_a_derived_event_fails_until_its_version_is_recorded() {
    let folder = Folder::new("unrecorded");
    let lock = folder.0.join("durable-events.lock");
    let run = |records| ended(&recorded_test(&folder.0, "Paid", records).output().unwrap());
    for records in [None, Some("read")] {
        let (passed, text) = run(records);
        assert!(
            !passed && text.contains("record it with `FANFARE_DURABLE_EVENTS=write cargo test`"),
            "{text}"
        );
        assert!(!lock.exists());
    }
    assert!(run(Some("write")).0);
    assert!(run(None).0);
    let recorded = fs::read_to_string(&lock).unwrap();
    let line = format!("\"derived.Paid\" 2 {}\n", Paid::SCHEMA.unwrap());
    assert!(recorded.ends_with(&line), "{recorded}");
    fs::write(&lock, recorded.replace("total", "sum")).unwrap();
    for records in [None, Some("write")] {
        let (passed, text) = run(records);
        assert!(!passed && text.contains("raise `version` to 3"), "{text}");
    }
}

#[test]
fn processes_that_record_at_the_same_time_lose_no_line() {
    let folder = Folder::new("processes");
    let events = ["Paid", "Ended", "Opened", "Counted"];
    let children = events.map(|event| {
        let mut test = recorded_test(&folder.0, event, Some("write"));
        test.stdout(std::process::Stdio::null()).spawn().unwrap()
    });
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    for event in events {
        let (passed, text) = ended(&recorded_test(&folder.0, event, None).output().unwrap());
        assert!(passed, "{text}");
    }
}
