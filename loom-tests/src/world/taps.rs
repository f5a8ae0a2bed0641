//! The models of observers.

use std::sync::atomic::{AtomicU8 as PlainByte, Ordering};

use super::models::{end, letters};
use super::signal::{Emitter, Signal};
use super::sync::{Note, spawn};
use super::table::{Life, Slot};
use crate::harness::Model;

models! {
    /// A send of a signal without receivers meets an attach. A send that starts after the attach,
    /// and knows of it, is seen.
    attach_vs_send -> ["unseen", "seen", "known"] {
        let signal = Signal::new();
        let note = std::sync::Arc::new(Note::new());
        let (other, told) = (signal.clone(), note.clone());
        let attaching = spawn(move || {
            other.attach(1);
            told.write();
        });
        let before = signal.observer();
        let outcome = if note.read() {
            assert_eq!(signal.observer(), Some(1), "attached before, and known to be");
            if before.is_none() { "unseen" } else { "known" }
        } else {
            if before.is_none() { "unseen" } else { "seen" }
        };
        attaching.join();
        assert_eq!(signal.observer(), Some(1), "attached before, and known to be");
        signal.detach();
        assert_eq!(signal.observer(), None);
        end(signal, [], &[]);
        outcome
    }

    /// A send meets a detach. It calls the receiver whether it is seen or not.
    detach_vs_send -> ["seen", "unseen"] {
        let signal = Signal::new();
        let a = Life::new();
        let first = signal.connect(Slot::new(1, &a));
        signal.attach(1);
        let other = signal.clone();
        let detaching = spawn(move || other.detach());
        let seen = signal.observer();
        assert_eq!(signal.send().numbers(), [1]);
        detaching.join();
        assert_eq!(signal.observer(), None, "detached before, and known to be");
        assert_eq!(signal.send().numbers(), [1]);
        end(signal, [first], &[&a]);
        if seen.is_some() { "seen" } else { "unseen" }
    }

    /// An attach meets a connect: neither undoes the other.
    attach_vs_connect -> ["A seen", "A unseen"] {
        let signal = Signal::new();
        let a = Life::new();
        let other = signal.clone();
        let attaching = spawn(move || other.attach(1));
        let first = signal.connect(Slot::new(1, &a));
        let seen = signal.observer();
        let sent = letters(&signal.send().numbers());
        attaching.join();
        assert_eq!(signal.observer(), Some(1), "neither is undone");
        assert_eq!(signal.send().numbers(), [1], "neither is undone");
        end(signal, [first], &[&a]);
        format!("{sent} {}", if seen.is_some() { "seen" } else { "unseen" })
    }

    /// Two attaches meet. Each notes its observer where both look for the observers, and the last
    /// to publish publishes both.
    attach_vs_attach -> ["one", "both"] {
        let signal = Signal::new();
        let noted = std::sync::Arc::new(PlainByte::new(0));
        let (other, its_noted) = (signal.clone(), noted.clone());
        let attaching = spawn(move || {
            its_noted.fetch_or(2, Ordering::Relaxed);
            other.retap(|| Some(its_noted.load(Ordering::Relaxed)));
        });
        noted.fetch_or(1, Ordering::Relaxed);
        signal.retap(|| Some(noted.load(Ordering::Relaxed)));
        let seen = signal.observer();
        attaching.join();
        assert_eq!(signal.observer(), Some(3), "neither is undone");
        signal.detach();
        end(signal, [], &[]);
        if seen == Some(1) { "one" } else { "both" }
    }

    /// An attach meets a freeze: sends are seen from the attach to the detach, whichever is first.
    freeze_vs_attach -> ["before the freeze", "after the freeze"] {
        let signal = Signal::new();
        let a = Life::new();
        let first = signal.connect(Slot::new(1, &a));
        let other = signal.clone();
        let freezing = spawn(move || other.freeze());
        signal.attach(1);
        let outcome = match signal.is_frozen() {
            false => "before the freeze",
            true => "after the freeze",
        };
        assert_eq!(signal.observer(), Some(1), "attached before, and known to be");
        freezing.join();
        assert_eq!(signal.observer(), Some(1), "attached before, and known to be");
        assert_eq!(signal.send().numbers(), [1]);
        signal.detach();
        assert_eq!(signal.observer(), None, "detached before, and known to be");
        assert_eq!(signal.last().as_deref(), Some(&[1][..]), "sends need no snapshot again");
        end(signal, [first], &[&a]);
        outcome
    }

    /// The sends of an emitter, which has a table from before, meet an attach: once a send of its
    /// thread is seen, those of the emitter are as well.
    attach_vs_emitter -> [
        "unseen then unseen", "unseen then seen", "seen then seen"
    ] {
        let signal = Signal::new();
        let a = Life::new();
        let first = signal.connect(Slot::new(1, &a));
        let mut emitter = Emitter::new(&signal);
        assert_eq!(emitter.send(), [1]);
        let other = signal.clone();
        let attaching = spawn(move || other.attach(1));
        let seen = signal.observer();
        let then = emitter.observer();
        drop(emitter);
        attaching.join();
        assert_eq!(signal.observer(), Some(1));
        end(signal, [first], &[&a]);
        let word = |seen: Option<u8>| if seen.is_some() { "seen" } else { "unseen" };
        format!("{} then {}", word(seen), word(then))
    }
}
