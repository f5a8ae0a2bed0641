//! The models of emitters.

use super::models::{EVER, end, letters};
use super::signal::{Emitter, Signal, Waited};
use super::sync::{Note, spawn, this_thread};
use super::table::{Life, Slot};
use crate::harness::Model;

models! {
    /// One thread's send calls a new receiver, and the thread sets a flag for another thread, whose
    /// emitter has an old snapshot, and must call it too.
    word_to_an_emitter -> ["not told", "told", "known"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let first = signal.connect(Slot::new(1, &a));
        let note = std::sync::Arc::new(Note::new());
        let (other, its_life) = (signal.clone(), b.clone());
        let connecting = spawn(move || other.connect(Slot::new(2, &its_life)));
        let (teller, told) = (signal.clone(), note.clone());
        let telling = spawn(move || {
            if teller.send().numbers() == [1, 2] {
                told.write();
            }
        });
        let mut emitter = Emitter::new(&signal);
        let before = emitter.send();
        let outcome = if note.read() {
            assert_eq!(emitter.send(), [1, 2], "called before, and known to be");
            if before == [1] { "told" } else { "known" }
        } else {
            "not told"
        };
        drop(emitter);
        telling.join();
        let second = connecting.join();
        end(signal, [first, second], &[&a, &b]);
        outcome
    }

    /// The same, where the thread has an emitter as well, with a snapshot from before.
    emitter_never_goes_back -> [
        "A then A then A", "A then A then ", "A then A then B", "A then  then ",
        "A then  then B", "A then B then B", " then  then ", " then  then B", " then B then B",
        "B then B then B"
    ] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let first = signal.connect(Slot::new(1, &a));
        let mut emitter = Emitter::new(&signal);
        assert_eq!(emitter.send(), [1]);
        let (other, its_life) = (signal.clone(), b.clone());
        let changing = spawn(move || {
            assert!(first.disconnect());
            [first, other.connect(Slot::new(2, &its_life))]
        });
        let before = letters(&signal.send().numbers());
        let emitted = letters(&emitter.send());
        let then = letters(&signal.send().numbers());
        drop(emitter);
        let connections = changing.join();
        end(signal, connections, &[&a, &b]);
        format!("{before} then {emitted} then {then}")
    }

    /// The sends of an emitter meet a disconnect and the freeze after it: once the signal is
    /// frozen, the emitter has the last table.
    freeze_vs_emitter -> ["A then A", "A then ", " then "] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let first = signal.connect(Slot::new(1, &a));
        let second = signal.connect(Slot::new(2, &b));
        let sender = signal.clone();
        let sending = spawn(move || {
            let mut emitter = Emitter::new(&sender);
            let mut without_b = || letters(&emitter.send()).replace('B', "");
            let sent = format!("{} then {}", without_b(), without_b());
            (emitter, sent)
        });
        // On two threads: the end of a change orders the next changes of the same thread.
        let disconnecting = spawn(move || {
            assert!(first.disconnect());
            first
        });
        let first = disconnecting.join();
        signal.freeze();
        let (mut emitter, outcome) = sending.join();
        assert_eq!(emitter.send(), [2], "the last table");
        drop(emitter);
        end(signal, [first, second], &[&a, &b]);
        outcome
    }

    /// The same with an emitter, which keeps its table until its next send.
    free_vs_emitter -> ["at once", "by the next change"] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let first = signal.connect(Slot::new(1, &a));
        let sender = signal.clone();
        let sending = spawn(move || {
            let mut emitter = Emitter::new(&sender);
            emitter.send();
            emitter.send();
            this_thread()
        });
        assert!(first.disconnect());
        let is_freed = a.ended() == 1;
        let sender = sending.join();
        let second = signal.connect(Slot::new(2, &b));
        assert_eq!(a.ended(), 1, "the next change frees it");
        assert!(!a.is_ended_by(sender), "a send frees nothing");
        end(signal, [first, second], &[&a, &b]);
        if is_freed { "at once" } else { "by the next change" }
    }

    /// A wait meets a send of an emitter, which stays: when the emitter is idle, the wait takes the
    /// receiver away from it.
    wait_vs_idle_emitter -> ["called", "missed"] {
        let signal = Signal::new();
        let a = Life::new();
        let connection = signal.connect(Slot::new(1, &a));
        let mut emitter = Emitter::new(&signal);
        assert_eq!(emitter.send(), [1]);
        let sending = spawn(move || {
            let sent = emitter.send();
            (emitter, sent)
        });
        assert_eq!(connection.disconnect_and_wait(EVER), Waited::Seen);
        a.take_away();
        a.take_over();
        let (mut emitter, sent) = sending.join();
        assert_eq!(emitter.send(), []);
        drop(emitter);
        end(signal, [connection], &[&a]);
        if sent == [1] { "called" } else { "missed" }
    }

    /// The model above, in which the emitter may also put the next table in the place of the one
    /// that is to be taken, and that table is replaced as well.
    wait_vs_busy_emitter -> ["AB", "B", ""] {
        let signal = Signal::new();
        let (a, b) = (Life::new(), Life::new());
        let first = signal.connect(Slot::new(1, &a));
        let second = signal.connect(Slot::new(2, &b));
        let mut emitter = Emitter::new(&signal);
        assert_eq!(emitter.send(), [1, 2]);
        let sending = spawn(move || {
            let sent = emitter.send();
            (emitter, sent)
        });
        assert_eq!(first.disconnect_and_wait(EVER), Waited::Seen);
        assert!(second.disconnect());
        let (emitter, sent) = sending.join();
        drop(emitter);
        end(signal, [first, second], &[&a, &b]);
        letters(&sent)
    }
}
