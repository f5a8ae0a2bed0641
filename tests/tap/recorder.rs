//! The recorder keeps the last steps of each thread, also for another thread and after a panic.

use std::env;
use std::process::Command;
use std::thread;

use fanfare::Signal;
use fanfare::watch::{self, Outcome, RecordedThread, Recorder, StepKind};

const CHILD: &str = "FANFARE_RECORDER_TEST";

fn kinds(thread: &RecordedThread) -> Vec<StepKind> {
    thread.steps.iter().map(|step| step.kind).collect()
}

fn ended(reached: u64) -> StepKind {
    StepKind::SendEnded {
        reached,
        cut_off: false,
    }
}

#[test]
fn each_step_is_recorded_with_its_cause() {
    let outer = Signal::<u32>::new();
    static INNER: Signal<u64> = Signal::new();
    let recorder = Recorder::new();
    let relay = outer.options().name("relay").connect(|_sender, id| {
        INNER.send(&(*id).into());
    });
    let _watches = [
        watch::signal(&outer, recorder.clone()),
        watch::signal(&INNER, recorder.clone()),
    ];
    outer.send(&1);
    let threads = recorder.threads();
    assert_eq!(
        kinds(&threads[0]),
        [
            StepKind::SendStarted,
            StepKind::ReceiverStarted,
            StepKind::SendStarted,
            ended(0),
            StepKind::ReceiverEnded(Outcome::Returned),
            ended(1),
        ]
    );
    let steps = &threads[0].steps;
    assert_eq!(steps[0].cause, None);
    assert_eq!(steps[2].cause, Some((steps[0].send, relay.id())));
    assert_eq!(&*steps[2].signal, "u64");
    let line = steps[2].to_string();
    let cause = format!(
        "of u64: started, caused by {} in {}",
        steps[1].place, steps[0].send
    );
    assert!(line.ends_with(&cause), "{line}");
}

#[test]
fn the_steps_of_a_thread_outlive_it_for_a_while() {
    static SAVED: Signal<u32> = Signal::new();
    let recorder = Recorder::new();
    let _watch = watch::signal(&SAVED, recorder.clone());
    for at in 0..40 {
        let named = thread::Builder::new().name(format!("worker {at}"));
        // A join waits for the destructors of the thread's variables, and a scope does not.
        let thread = named.spawn(move || SAVED.send(&at).len());
        thread.unwrap().join().unwrap();
    }
    let threads = recorder.threads();
    let names: Vec<&str> = threads.iter().map(|thread| &*thread.name).collect();
    assert!((16..=18).contains(&names.len()), "{names:?}");
    assert_eq!(names.last(), Some(&"worker 39"));
    assert_eq!(
        kinds(threads.last().unwrap()),
        [StepKind::SendStarted, ended(0)]
    );
}

#[test]
fn old_steps_make_room_for_new_ones() {
    let saved = Signal::<u32>::new();
    let recorder = Recorder::new();
    let _watch = watch::signal(&saved, recorder.clone());
    for at in 0..10_000 {
        saved.send(&at);
    }
    let steps = &recorder.threads()[0].steps;
    // The times take places as well.
    assert!((7_000..8_192).contains(&steps.len()), "{}", steps.len());
    assert_eq!(steps.last().unwrap().kind, ended(0));
}

#[test]
fn two_recorders_do_not_mix_their_steps() {
    let (first, second) = (Signal::<u32>::new(), Signal::<u64>::new());
    let recorders = [Recorder::new(), Recorder::new()];
    let _watches = [
        watch::signal(&first, recorders[0].clone()),
        watch::signal(&second, recorders[1].clone()),
    ];
    first.send(&1);
    second.send(&1);
    for (recorder, name) in recorders.iter().zip(["u32", "u64"]) {
        let steps = &recorder.threads()[0].steps;
        assert!(steps.iter().all(|step| &*step.signal == name));
        assert_eq!(steps.len(), 2);
    }
}

#[test]
fn the_name_of_a_disconnected_receiver_stays_readable() {
    let saved = Signal::<u32>::new();
    let recorder = Recorder::new();
    let _watch = watch::signal(&saved, recorder.clone());
    let options = saved.options().name("index").once();
    options.connect(|_sender, _id| ());
    saved.send(&1);
    let steps = &recorder.threads()[0].steps;
    assert!(steps[1].place.starts_with("\"index\""), "{steps:?}");
}

#[cfg(feature = "queue")]
#[test]
fn a_queued_receiver_is_recorded_on_its_thread() {
    let saved = Signal::<u32>::new();
    let queue = fanfare::Queue::bounded(8).unwrap();
    saved.options().queued(&queue).connect(|_sender, _id| ());
    let recorder = Recorder::new();
    let _watch = watch::signal(&saved, recorder.clone());
    saved.send(&1);
    queue.flush().unwrap();
    let threads = recorder.threads();
    let queued = StepKind::ReceiverQueued { accepted: true };
    assert_eq!(
        kinds(&threads[0]),
        [StepKind::SendStarted, queued, ended(1)]
    );
    let returned = StepKind::ReceiverEnded(Outcome::Returned);
    assert_eq!(kinds(&threads[1]), [StepKind::ReceiverStarted, returned]);
}

/// Run in a process of its own, because the panic hook is the process's.
#[test]
fn a_panic_is_reported_with_the_last_steps_and_their_causes() {
    static OUTER: Signal<u32> = Signal::new();
    static INNER: Signal<u64> = Signal::new();
    if env::var_os(CHILD).is_some() {
        let recorder = Recorder::new();
        std::panic::set_hook(Box::new(|_| eprintln!("the former hook")));
        recorder.install_panic_hook();
        let _watch = watch::all(recorder.clone());
        OUTER.options().name("relay").connect(|_sender, id| {
            INNER.send(&(*id).into());
        });
        INNER
            .options()
            .name("burnt")
            .connect(|_sender, _id| panic!("too hot"));
        OUTER.send(&1);
        return;
    }
    let path = "recorder::a_panic_is_reported_with_the_last_steps_and_their_causes";
    let output = Command::new(env::current_exe().unwrap())
        .args([path, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    let parts = [
        "the former hook\n",
        "the last steps of thread",
        "of u32: started\n",
        "of u32: \"relay\" (",
        "of u64: started, caused by \"relay\" (",
        "of u64: \"burnt\" (",
        "caused by \"burnt\" (",
        " of u64\n",
        "caused by \"relay\" (",
        " of u32\n",
    ];
    let mut rest = &*text;
    for part in parts {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("no {part:?} in {rest:?} of {text}"));
        rest = &rest[at + part.len()..];
    }
}
