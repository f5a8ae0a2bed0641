//! The promises of the README, checked on the real program over HTTP. A file for each promise; one
//! program for all, which links in the time of one.

mod access_log;
mod addresses;
mod bad_input;
mod browser;
mod chromium;
mod common;
mod connections;
mod conversation;
#[cfg(unix)]
mod files;
mod forgotten_password;
mod hanging;
mod limits;
mod load;
mod mail_is_not_lost;
mod mails;
#[cfg(target_os = "linux")]
mod memory;
mod responses;
mod smtp;
