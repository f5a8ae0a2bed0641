//! The keys of the person in front of the shop.

use std::io::{self, IsTerminal, Read};
use std::thread;

use console::{Key, Term};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Kill,
    Discard,
    Quit,
}

/// Reads keys on a thread, until the first that quits.
pub(crate) fn read() -> UnboundedReceiver<Wish> {
    let (wishes, receiver) = unbounded_channel();
    thread::spawn(move || {
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            from_terminal(&wishes);
        } else {
            from_input(&wishes);
        }
    });
    receiver
}

/// Reads single keys, of which Ctrl-C is one. The terminal is as before when this returns.
fn from_terminal(wishes: &UnboundedSender<Wish>) {
    let terminal = Term::stdout();
    while let Ok(key) = terminal.read_key_raw() {
        let wish = match key {
            Key::Char(key) => wish(key),
            Key::CtrlC => Some(Wish::Quit),
            _ => None,
        };
        if !send(wishes, wish) {
            return;
        }
    }
}

fn from_input(wishes: &UnboundedSender<Wish>) {
    for key in io::stdin().lock().bytes().map_while(Result::ok) {
        if !send(wishes, wish(char::from(key))) {
            return;
        }
    }
}

fn wish(key: char) -> Option<Wish> {
    match key {
        'k' => Some(Wish::Kill),
        'd' => Some(Wish::Discard),
        'q' => Some(Wish::Quit),
        _ => None,
    }
}

/// Returns `false` if no key is needed any more.
fn send(wishes: &UnboundedSender<Wish>, wish: Option<Wish>) -> bool {
    let is_sent = wish.is_none_or(|wish| wishes.send(wish).is_ok());
    is_sent && wish != Some(Wish::Quit)
}
