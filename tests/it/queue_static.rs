//! A `Queue` in a `static` is not waited for when the program ends; one that is dropped is.
#![cfg(all(feature = "queue", not(miri)))]

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use fanfare::{Queue, Signal};

/// Long enough for any machine; a wait that needs it has failed.
const LONG: Duration = Duration::from_secs(60);

const CHILD: &str = "FANFARE_QUEUE_STATIC_TEST";

static ORDERED: Signal<u32> = Signal::new();

/// Returns a queue with an event, whose receiver ends once the parent allows it.
fn busy() -> Queue {
    let queue = Queue::bounded(8).unwrap();
    ORDERED.options().queued(&queue).connect(|_, _| {
        io::stdin().read_line(&mut String::new()).unwrap();
        println!("delivered");
    });
    ORDERED.send(&1);
    let stats = queue.stats();
    assert_eq!((stats.pushed, stats.delivered), (1, 0));
    queue
}

fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

/// Starts the test of this name in a program of its own, where [`is_child`] is true.
fn program(name: &str) -> Child {
    let mut child = Command::new(env::current_exe().unwrap());
    child
        .args(["--exact", &format!("queue_static::{name}"), "--nocapture"])
        .env(CHILD, name)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    child.spawn().unwrap()
}

fn printed(child: &mut Child) -> String {
    let mut printed = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut printed).unwrap();
    printed
}

#[test]
fn in_a_static_it_is_not_waited_for() {
    static QUEUE: OnceLock<Queue> = OnceLock::new();
    if is_child() {
        QUEUE.get_or_init(busy);
        return;
    }
    let mut child = program("in_a_static_it_is_not_waited_for");
    // Open, and without a line, until the program has ended.
    let silent = child.stdin.take().unwrap();
    let began = Instant::now();
    let ended = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        if began.elapsed() > LONG {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it waits");
        }
        thread::sleep(Duration::from_millis(5));
    };
    drop(silent);
    let printed = printed(&mut child);
    assert!(ended.success() && printed.contains("1 passed"), "{printed}");
    assert!(!printed.contains("delivered"), "{printed}");
}

#[test]
fn dropped_it_is_waited_for() {
    if is_child() {
        let _queue = busy();
        println!("it ends");
        return;
    }
    let mut child = program("dropped_it_is_waited_for");
    let mut stdout = BufReader::new(child.stdout.as_mut().unwrap());
    let mut printed = String::new();
    while !printed.contains("it ends") {
        assert_ne!(stdout.read_line(&mut printed).unwrap(), 0, "{printed}");
    }
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"go on\n").unwrap();
    stdout.read_to_string(&mut printed).unwrap();
    assert!(child.wait().unwrap().success(), "{printed}");
    assert!(printed.contains("delivered"), "{printed}");
}
