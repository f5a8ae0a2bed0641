//! The `Debug` form of each handle shows its kind and its state.

use fanfare::{Identity, Sender, Signal};

#[test]
fn a_signal_shows_its_event_and_the_number_of_its_connections() {
    let signal = Signal::<u32, u32>::new();
    signal.connect(|_, n| n + 1);
    signal.connect(|_, n| n + 2);
    let shown = r#"Signal { event: "u32", connections: 2 }"#;
    assert_eq!(format!("{signal:?}"), shown);
    let from = format!("SignalFrom {{ signal: {shown}, sender: Sender(\"till\") }}");
    assert_eq!(format!("{:?}", signal.from("till")), from);
    assert_eq!(format!("{:?}", signal.send(&1)), "[2, 3]");
}

#[test]
fn a_sender_shows_its_kind() {
    let identity = Identity::new();
    let text = format!("{identity:?}");
    let number = text.strip_prefix("Identity(").unwrap();
    let number = number.strip_suffix(")").unwrap().parse::<u64>().unwrap();
    let shown = [
        (Sender::NONE, String::from("Sender(no sender)")),
        (Sender::of::<u8>(), String::from("Sender(u8)")),
        (Sender::named("till"), String::from("Sender(\"till\")")),
        (Sender::key(7), String::from("Sender(key 7)")),
        (identity.sender(), format!("Sender(identity {number})")),
    ];
    for (sender, expected) in shown {
        assert_eq!(format!("{sender:?}"), expected);
    }
}

#[test]
fn a_connection_shows_whether_it_is_connected() {
    let signal = Signal::<u32>::new();
    let connection = signal.connect(|_, _| ());
    let id = format!("{:?}", connection.id());
    let shown = format!("Connection {{ id: {id}, is_new: true, is_connected: true }}");
    assert_eq!(format!("{connection:?}"), shown);
    let connections = fanfare::connections::Connections::from(connection.clone());
    assert_eq!(format!("{connections:?}"), format!("[{shown}]"));
    connection.disconnect();
    let shown = shown.replace("connected: true", "connected: false");
    assert_eq!(format!("{connection:?}"), shown);
}

#[test]
fn an_emitter_shows_whether_it_holds_a_snapshot() {
    let signal = Signal::<u32>::new();
    signal.connect(|_, _| ());
    let mut emitter = signal.emitter();
    assert_eq!(format!("{emitter:?}"), "Emitter { holds_snapshot: false }");
    emitter.send(&1);
    assert_eq!(format!("{emitter:?}"), "Emitter { holds_snapshot: true }");
    assert_eq!(
        format!("{:?}", emitter.from(7)),
        "EmitterFrom { emitter: Emitter { holds_snapshot: true }, sender: Sender(key 7) }"
    );
    emitter.release();
    assert_eq!(format!("{emitter:?}"), "Emitter { holds_snapshot: false }");
}

#[cfg(feature = "queue")]
#[test]
fn a_queue_shows_its_settings_and_its_counters() {
    use fanfare::Queue;
    use fanfare::queue::Overflow;

    let builder = Queue::builder().name("mails").capacity(64).workers(2);
    let queue = builder.overflow(Overflow::DropOldest).build().unwrap();
    assert_eq!(queue.overflow(), Overflow::DropOldest);
    let shown = format!(
        "Queue {{ name: \"mails\", capacity: {:?}, workers: 2, overflow: DropOldest, stats: {:?}, .. }}",
        queue.capacity(),
        queue.stats()
    );
    assert_eq!(format!("{queue:?}"), shown);
}

#[cfg(all(feature = "async", feature = "queue"))]
#[test]
fn events_for_a_consumer_show_their_connection() {
    use fanfare::queue::Overflow;

    let signal = Signal::<u32>::new();
    let next = signal.next();
    let shown = format!("{next:?}");
    assert!(
        shown.starts_with("NextEvent { connection: Connection { id: "),
        "{shown}"
    );
    let stream = signal.options().stream(2, Overflow::Reject);
    let shown = format!("{stream:?}");
    let expected = format!(
        "EventStream {{ connection: {:?}, is_closed: false, stats: {:?}, .. }}",
        stream.connection(),
        stream.stats()
    );
    assert_eq!(shown, expected);
}
