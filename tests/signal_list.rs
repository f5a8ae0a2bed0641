//! The list of signals has those that are declared and those that are in use, and each of its
//! formats has all of them.

#![cfg(feature = "macros")]

use fanfare::watch::{self, SignalEntry, SignalList};
use fanfare::{Sender, Signal};

fanfare::signals! {
    /// A signal that is used.
    static USED: Signal<u32>;
    static UNUSED: Signal<&'static str, Option<u8>>;
    static LATE: Signal<u64>;
}

/// Returns the signals of this module whose names end in one of `names`.
fn listed(names: &[&str]) -> SignalList {
    let is_meant = |it: &SignalEntry| {
        let own = it.name.strip_prefix("signal_list::");
        own.is_some_and(|own| names.contains(&own))
    };
    watch::signals().into_iter().filter(is_meant).collect()
}

/// Connects receivers to `USED`, once, and returns the list of `UNUSED` and `USED`, with numbers in
/// place of those that differ from run to run.
fn snapshot() -> SignalList {
    static CONNECTED: std::sync::Once = std::sync::Once::new();
    CONNECTED.call_once(|| {
        let index = USED.options().name("index \"a\"\\<b>").sender("shop.Order");
        index.priority(7).connect(|_, _| ());
        let mail = USED.options().dispatch_uid("mail").name("mail");
        mail.max_calls(2).tag("slow").connect(|_, _| ());
    });
    listed(&["UNUSED", "USED"])
}

#[test]
fn the_text_has_a_line_for_each_signal_and_receiver() {
    let list = snapshot();
    let file = file!();
    let unused = "signal_list::UNUSED";
    let expected = format!(
        "{unused} at {file}:9, &str -> core::option::Option<u8>\n  no receivers\n\
         signal_list::USED at {file}:9, u32 -> ()\n  \
         index \"a\"\\<b> at {file}:31:27, sender \"shop.Order\", priority 7, called\n  \
         mail at {file}:33:39, uid \"mail\", tag \"slow\", at most 2 calls, called"
    );
    assert_eq!(list.to_string(), expected);
    let none: SignalList = [].into_iter().collect();
    assert_eq!(none.to_string(), "no signal is in use or declared");
}

#[test]
fn a_declared_signal_is_listed_before_and_after_its_first_use() {
    let [unused] = &listed(&["LATE"])[..] else {
        panic!("it is listed once")
    };
    assert!(unused.declared && unused.number.is_none() && unused.connections.is_empty());
    assert_eq!((unused.event, unused.response), ("u64", "()"));
    LATE.connect(|_, _| ());
    let used = &listed(&["LATE"]);
    assert_eq!(used.len(), 1);
    assert!(used[0].declared && used[0].number.is_some());
    assert_eq!((used[0].file, used[0].line), (unused.file, unused.line));
    assert_eq!(used[0].connections, LATE.connections());
    assert_eq!(LATE.explain(Sender::NONE).signal, "signal_list::LATE");
    LATE.freeze();
    assert_eq!(listed(&["LATE"])[0].frozen_at, LATE.frozen_at());
}

#[test]
fn a_signal_that_is_not_declared_has_the_place_of_its_first_connect() {
    #[derive(Clone)]
    struct Undeclared;
    impl fanfare::Event for Undeclared {
        type Args<'a> = Undeclared;
    }
    let find = || {
        let found = watch::signals().into_iter();
        let mut found = found.filter(|it| it.event.ends_with("::Undeclared"));
        let signal = found.next();
        assert!(found.next().is_none());
        signal
    };
    let signal = Signal::<Undeclared>::new();
    assert_eq!(find(), None);
    let first = signal.connect(|_, _| ());
    let line = line!() - 1;
    signal.connect(|_, _| ());
    first.disconnect();
    let entry = find().unwrap();
    assert_eq!((&*entry.name, entry.declared), (entry.event, false));
    assert_eq!((entry.file, entry.line), (Some(file!()), Some(line)));
    assert_eq!(entry.connections.len(), 1);
    drop(signal);
    // A list that another test makes may hold the signal a little longer.
    let start = std::time::Instant::now();
    while find().is_some() {
        assert!(start.elapsed().as_secs() < 60, "it is still listed");
        std::thread::yield_now();
    }
}

#[test]
fn observers_see_the_name_of_a_declared_signal() {
    use std::sync::{Arc, Mutex};
    use watch::{ObservedSend, Observer};

    fanfare::signals! {
        static OBSERVED: Signal<()>;
    }
    #[derive(Clone, Default)]
    struct Names(Arc<Mutex<Vec<String>>>);
    impl Observer for Names {
        fn send_started(&self, send: &ObservedSend<'_>) {
            let mut names = self.0.lock().unwrap();
            names.push(send.signal().name().to_owned());
        }
    }
    let names = Names::default();
    OBSERVED.connect(|_, ()| ());
    let _watch = watch::signal(&OBSERVED, names.clone());
    OBSERVED.send(&());
    assert_eq!(*names.0.lock().unwrap(), ["signal_list::OBSERVED"]);
}

#[test]
fn built_in_signals_are_listed() {
    let signals = watch::signals();
    let saved = "fanfare_django::model::signals::POST_SAVE";
    let saved = signals.iter().find(|it| it.name == saved).unwrap();
    assert!(
        saved.declared && saved.event.ends_with("::PostSave<'_>"),
        "{saved:?}"
    );
    // The statics of another module of the crate.
    let started = "fanfare_django::request::REQUEST_STARTED";
    assert!(signals.iter().any(|it| it.name == started));
    assert!(std::ptr::from_ref(&fanfare_django::model::POST_SAVE).addr() > 0);
}

#[test]
fn graphs_escape_the_names() {
    let list = snapshot();
    let id = |at: usize| {
        let id = list[1].connections[at].id.to_string();
        id.trim_start_matches('#').to_owned()
    };
    let (file, index, mail) = (file!(), id(0), id(1));
    let dot = list.to_dot();
    let expected = format!(
        "digraph signals {{\n  rankdir=LR;\n  node [shape=box];\n  \
         s0 [label=\"signal_list::UNUSED\", style=bold];\n  \
         s1 [label=\"signal_list::USED\", style=bold];\n  \
         r{index} [label=\"index \\\"a\\\"\\\\<b>\\n{file}:31\"];\n  \
         s1 -> r{index} [label=\"\\\"shop.Order\\\"\"];\n  \
         r{mail} [label=\"mail\\n{file}:33\"];\n  \
         s1 -> r{mail} [label=\"\"];\n}}\n"
    );
    assert_eq!(dot, expected);
    let mermaid = list.to_mermaid();
    let expected = format!(
        "flowchart LR\n  s0([\"signal_list::UNUSED\"])\n  s1([\"signal_list::USED\"])\n  \
         r{index}[\"index #34;a#34;\\#60;b#62;<br/>{file}:31\"]\n  \
         s1 -->|\"#34;shop.Order#34;\"| r{index}\n  \
         r{mail}[\"mail<br/>{file}:33\"]\n  s1 --> r{mail}\n"
    );
    assert_eq!(mermaid, expected);
}

/// The JSON, its schema, and the same list by `serde`.
mod json {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_json_is_valid_by_its_schema() {
        let whole: Value = serde_json::from_str(&watch::signals().to_json()).unwrap();
        snapshot();
        let list: Value = serde_json::from_str(&snapshot().to_json()).unwrap();
        let text = include_str!("../docs/signals.schema.json");
        let schema: Value = serde_json::from_str(text).unwrap();
        for valid in [&whole, &list] {
            assert_eq!(check(valid, &schema, &schema), Ok(()));
        }
        assert_eq!(list["version"], 1);
        let index = &list["signals"][1]["connections"][0];
        assert_eq!(index["name"], "index \"a\"\\<b>");

        // The check notices a wrong value, and a property too many or too few.
        let broken = |change: &dyn Fn(&mut Value)| {
            let mut broken = list.clone();
            change(&mut broken);
            check(&broken, &schema, &schema).unwrap_err()
        };
        let version = broken(&|list| list["version"] = 2.into());
        assert!(version.contains("const"), "{version}");
        let line = broken(&|list| list["signals"][0]["line"] = "7".into());
        assert!(line.contains("type"), "{line}");
        let more = broken(&|list| list["signals"][0]["more"] = 7.into());
        assert!(more.contains("more"), "{more}");
        let kind = broken(&|list| list["signals"][1]["connections"][0]["kind"] = "odd".into());
        assert!(kind.contains("enum"), "{kind}");
        let fewer = broken(&|list| {
            let signal = list["signals"][0].as_object_mut();
            signal.unwrap().remove("name");
        });
        assert!(fewer.contains("name"), "{fewer}");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn serde_makes_the_same_json() {
        let list = snapshot();
        let by_hand: Value = serde_json::from_str(&list.to_json()).unwrap();
        assert_eq!(serde_json::to_value(list).unwrap(), by_hand["signals"]);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn an_explanation_serializes_to_texts_and_numbers() {
        let signal = Signal::<u16>::new();
        let once = signal.options().name("once").once();
        once.connect(|_, _| ());
        let connected = line!() - 1;
        let target = std::sync::Arc::new(7);
        signal.connect_weak(&target, |_, _, _| ());
        signal.freeze();
        signal.send(&1);
        drop(target);
        let json = serde_json::to_value(signal.explain("shop.Order")).unwrap();
        assert_eq!(json["signal"], "u16");
        assert_eq!(json["sender"], "\"shop.Order\"");
        let first = &json["connections"][0];
        assert_eq!(first["verdict"]["WouldNotRun"]["UsedUp"]["max_calls"], 1);
        assert_eq!(first["connection"]["name"], "once");
        assert_eq!(first["connection"]["file"], file!());
        assert_eq!(first["connection"]["line"], connected);
        assert_eq!(first["connection"]["kind"], "called");
        let last = &json["connections"][1];
        assert_eq!(last["verdict"]["WouldNotRun"], "TargetDied");
    }

    #[test]
    fn control_characters_are_escaped() {
        let signal = Signal::<u8>::new();
        let name = "tab\tquote\"null\0é";
        signal.options().name(name).connect(|_, _| ());
        let json: Value = serde_json::from_str(&watch::signals().to_json()).unwrap();
        let signals = json["signals"].as_array().unwrap().iter();
        let connections = signals.flat_map(|it| it["connections"].as_array().unwrap());
        assert!(connections.into_iter().any(|it| it["name"] == name));
    }

    /// Checks a value by the part of JSON Schema that the schema uses. Refuses other keywords.
    fn check(value: &Value, schema: &Value, root: &Value) -> Result<(), String> {
        for (keyword, wanted) in schema.as_object().unwrap() {
            let holds = match &**keyword {
                "$schema" | "$id" | "$defs" | "title" | "description" => true,
                "$ref" => {
                    let place = wanted.as_str().unwrap().trim_start_matches('#');
                    check(value, root.pointer(place).unwrap(), root)?;
                    true
                }
                "const" => value == wanted,
                "enum" => wanted.as_array().unwrap().contains(value),
                "minimum" => value
                    .as_i64()
                    .is_none_or(|it| it >= wanted.as_i64().unwrap()),
                "type" => match wanted {
                    Value::Array(types) => types.iter().any(|it| is_of(value, it)),
                    one => is_of(value, one),
                },
                "required" => {
                    let mut names = wanted.as_array().unwrap().iter();
                    names.all(|name| value.get(name.as_str().unwrap()).is_some())
                }
                "properties" => {
                    for (name, schema) in wanted.as_object().unwrap() {
                        if let Some(value) = value.get(name) {
                            check(value, schema, root).map_err(|why| format!("{name}: {why}"))?;
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    assert_eq!(*wanted, Value::Bool(false));
                    let mut names = value.as_object().unwrap().keys();
                    names.all(|name| schema["properties"].get(name).is_some())
                }
                "items" => {
                    for element in value.as_array().unwrap() {
                        check(element, wanted, root)?;
                    }
                    true
                }
                other => panic!("the check does not know `{other}`"),
            };
            if !holds {
                return Err(format!("{value} breaks {keyword}: {wanted}"));
            }
        }
        Ok(())
    }

    fn is_of(value: &Value, name: &Value) -> bool {
        match name.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("the check does not know the type {other}"),
        }
    }
}
