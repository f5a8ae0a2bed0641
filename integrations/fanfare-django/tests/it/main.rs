//! The tests of the built-in signals, a module for each theme or promise. Each test sends with
//! senders of its own.

mod auth;
mod db;
mod management;
mod model;
mod model_names;
mod model_waiting;
mod test;
mod transaction;
