//! Orders, billing, shipping and mail in one process on SQLite, which is killed while it works. The
//! books add up all the same. See the README.
//!
//! ```text
//! cargo run --release -p shop [-- [OPTIONS] [FOLDER]]
//! ```
//!
//! The program starts itself once more, with `--worker`. `supervisor.rs` has the screen and kills
//! that worker, and `worker.rs` does the work: `orders.rs` takes the orders, and `receivers.rs` has
//! the durable receivers. `books.rs` checks the result.

mod books;
mod chaos;
mod events;
mod keys;
mod mails;
mod options;
mod orders;
mod reading;
mod receivers;
mod report;
mod screen;
mod supervisor;
mod tables;
mod tally;
mod view;
mod worker;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::options::{HELP, Options};
use crate::supervisor::End;

/// An error that ends the program.
type Fatal = Box<dyn Error + Send + Sync>;

/// By custom, 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            let written = io::stdout().write_all(HELP.as_bytes());
            return ExitCode::from(u8::from(written.is_err()));
        }
        Err(message) => {
            complain(&format!("{message}; see --help for the usage"));
            return ExitCode::from(2);
        }
    };
    if options.is_worker {
        return worker::main(&options).await;
    }
    match supervisor::run(&options).await {
        Ok(End::AddUp) => ExitCode::SUCCESS,
        Ok(End::DoNotAddUp) => ExitCode::FAILURE,
        Ok(End::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn complain(message: &str) {
    // If standard error fails too, the program cannot report it.
    let _ = writeln!(io::stderr(), "shop: {message}");
}
