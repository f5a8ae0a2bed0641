//! A program that connects its receivers, loads a plugin, and connects the plugin's.

use std::ffi::CString;

use fanfare::{Sender, receiver};
use fanfare_plugin::ASKED;

#[receiver(ASKED)]
fn host(_sender: Sender<'_>, _n: &u32) -> &'static str {
    "host"
}

#[receiver(ASKED, dispatch_uid = "gone")]
fn disconnected(_sender: Sender<'_>, _n: &u32) -> &'static str {
    "disconnected"
}

fn ask() -> String {
    ASKED.send(&1).join(" ")
}

fn main() {
    fanfare::connect_receivers();
    println!("started: {}", ask());
    assert!(ASKED.disconnect_uid("gone"));

    let plugin = std::env::args().nth(1).expect("the path of the plugin");
    let path = CString::new(plugin).expect("a path without a zero byte");
    // SAFETY: the library is of the same build, so its initializers are those of Rust crates.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
    assert!(!library.is_null(), "the plugin cannot be loaded");
    println!("loaded: {}", ask());
    let report = fanfare::connect_receivers();
    println!("connected: {}", ask());
    fanfare::connect_receivers();
    println!("again: {}", ask());
    for entry in report.entries() {
        println!("{} <- {}", entry.signal, entry.receiver);
    }
}
