//! A plugin. Its receivers are known to the program as soon as it is loaded.

use fanfare::{Sender, receiver};
use fanfare_plugin::ASKED;

#[receiver(ASKED)]
fn a_plugin(_sender: Sender<'_>, _n: &u32) -> &'static str {
    "plugin"
}

#[receiver(ASKED)]
fn z_plugin(_sender: Sender<'_>, _n: &u32) -> &'static str {
    "second"
}
