//! Origins of events as text, for the database: the process, the cause and the scope of a test.

use fanfare::__private::Origin;
use fanfare::watch::StoredCause;
use serde::{Deserialize, Serialize};

/// The JSON of an origin. A program that reads it ignores fields that it does not have.
#[derive(Serialize, Deserialize)]
struct Json {
    process: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<CauseJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct CauseJson {
    receiver: String,
    receiver_id: u64,
    send: u64,
    signal: String,
    root: u64,
    /// The process of the root, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root_process: Option<String>,
}

/// Returns the stored form of the origin that an event of this thread has now, or `None` outside of
/// receivers that are observed and of scopes of tests.
pub(crate) fn current() -> Option<String> {
    stored(Origin::current()?)
}

fn stored(origin: Origin) -> Option<String> {
    let Origin {
        process,
        cause,
        scope,
    } = origin;
    let cause = cause.map(|cause| CauseJson {
        receiver_id: cause.receiver_number(),
        receiver: without_nul(cause.receiver),
        send: cause.send,
        signal: without_nul(cause.signal),
        root: cause.root,
        root_process: Some(cause.root_process).filter(|root| *root != process),
    });
    let json = Json {
        process,
        cause,
        scope,
    };
    serde_json::to_string(&json).ok()
}

/// PostgreSQL's text has no NUL, and a name must not make the INSERT fail.
fn without_nul(name: String) -> String {
    name.replace('\0', "\u{fffd}")
}

/// Returns the origin of a stored form, or `None` if the text is of a form that this program does
/// not have.
pub(crate) fn read(text: &str) -> Option<Origin> {
    let Json {
        process,
        cause,
        scope,
    } = serde_json::from_str(text).ok()?;
    let cause = cause.map(|cause| {
        let root_process = cause.root_process.unwrap_or_else(|| process.clone());
        StoredCause::of(
            [process.clone(), cause.signal, cause.receiver, root_process],
            [cause.send, cause.receiver_id, cause.root],
        )
    });
    Some(Origin {
        process,
        cause,
        scope,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(receiver: &str, root_process: &str) -> Origin {
        let names = ["1-a", "shop::ORDERED", receiver, root_process];
        Origin {
            process: "1-a".to_owned(),
            cause: Some(StoredCause::of(names.map(str::to_owned), [5, 7, 1])),
            scope: None,
        }
    }

    #[test]
    fn stored_origins_are_read_again() {
        let scope_alone = Origin {
            cause: None,
            scope: Some(3),
            ..origin("bill", "1-a")
        };
        for origin in [origin("bill", "1-a"), origin("bill", "2-b"), scope_alone] {
            assert_eq!(read(&stored(origin.clone()).unwrap()), Some(origin));
        }
    }

    #[test]
    fn a_text_of_another_program_is_read_as_far_as_possible() {
        let newer = r#"{"process": "1-a", "scope": null, "trace": 7}"#;
        assert_eq!(read(newer).unwrap().process, "1-a");
        for unknown in [
            "",
            "{}",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(read(unknown), None);
        }
    }

    #[test]
    fn a_name_with_a_nul_is_stored_without_it() {
        let stored = stored(origin("bi\0ll", "1-a")).unwrap();
        assert!(!stored.contains("\\u0000"), "{stored}");
        assert_eq!(
            read(&stored).unwrap().cause.unwrap().receiver,
            "bi\u{fffd}ll"
        );
    }
}
