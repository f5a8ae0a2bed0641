//! A Debian package log through every way of delivering at once, with books that must add up.
//!
//! ```text
//! cargo run --release --example log_pipeline --all-features -- [OPTIONS] [FILE]
//! ```
//!
//! * `event.rs`: the events, and the two signals.
//! * `input.rs` reads on a thread of its own, `pump.rs` sends.
//! * `receivers.rs`: those that respond, sync, parallel and async. `background.rs`: the two queues
//!   and their receivers.
//! * `tally.rs` counts, `view.rs` shows the counts while it runs, `report.rs` prints them at the
//!   end.
//! * `stop.rs`: Ctrl-C.

mod background;
mod event;
mod input;
#[path = "../logwatch/lines.rs"]
mod lines;
mod options;
#[expect(dead_code, reason = "logwatch makes more of a line")]
#[path = "../logwatch/parse.rs"]
mod parse;
mod pump;
mod receivers;
mod report;
mod stop;
mod tally;
mod view;

use background::Background;
use input::Input;
use options::Options;
use pump::Pump;
use receivers::Receivers;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

fn main() -> ExitCode {
    let (code, message) = match run() {
        Ok(()) => return ExitCode::SUCCESS,
        Err(End::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Err(End::Input(message)) => (1, message),
        Err(End::Usage(message)) => (2, format!("{message}; --help tells the usage")),
        Err(End::Nothing(message)) => (3, message),
        Err(End::Output(error)) => (4, format!("cannot write the output: {error}")),
        Err(End::Trouble(message)) => (4, message),
        Err(End::Interrupted) => return ExitCode::from(stop::EXIT_CODE),
    };
    view::say(format_args!("{message}"));
    ExitCode::from(code)
}

/// Why the program ends otherwise than by having read everything.
enum End {
    Usage(String),
    Input(String),
    Nothing(String),
    Output(io::Error),
    /// The machine or the program itself is at fault.
    Trouble(String),
    Interrupted,
}

fn run() -> Result<(), End> {
    let Some(options) = Options::parse(std::env::args_os().skip(1))? else {
        return io::stdout()
            .write_all(options::HELP.as_bytes())
            .map_err(End::Output);
    };
    let input = Input::open(options.file.as_deref())?;
    let (name, size) = (input.name.clone(), input.size);
    let cannot_start = |what: &str, error| End::Trouble(format!("cannot start {what}: {error}"));
    // Two threads for the async receivers. They do not send: a queue that blocks would block it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .map_err(|error| cannot_start("the runtime", error))?;
    let receivers = Receivers::connect(&options);
    let background = Background::start(&options)?;
    stop::install(background.journal.temporary_path())
        .map_err(|error| End::Trouble(format!("cannot handle Ctrl-C: {error}")))?;

    runtime.spawn(Background::end_after(background.queues(), options.grace));
    let pump = Pump::new();
    let view = view::start(view::Watched {
        size,
        progress: Arc::clone(&pump.progress),
        queues: background.queues(),
        index: Arc::clone(&receivers.index),
    });
    let start = Instant::now();
    let items = input
        .start()
        .map_err(|error| cannot_start("a thread", error))?;
    let mut reading = runtime.block_on(pump.run(items, options.grace));
    background.drain(options.grace);
    reading.total = start.elapsed();
    drop(view);

    let journal = background.journal.finish();
    let books = report::Books {
        name,
        reading,
        receivers,
        background,
        journal,
    };
    conclude(books)
}

/// Prints the report, and decides how the program ends.
fn conclude(mut books: report::Books) -> Result<(), End> {
    let (name, stopped) = (books.name.clone(), stop::requested());
    let failed = books.reading.failed.take();
    let (lines, sent) = (books.reading.lines, books.reading.sent);
    if lines == 0 && failed.is_none() && !stopped {
        return Err(End::Nothing(format!("nothing in {name}: it is empty")));
    }
    let faults = books.print().map_err(End::Output)?;
    if let Some(error) = failed {
        return Err(End::Input(format!(
            "cannot read {name} beyond line {lines}: {error}"
        )));
    }
    if let Err(error) = books.journal {
        return Err(End::Trouble(format!("cannot write the journal: {error}")));
    }
    if faults > 0 {
        let message = "the sums do not agree: this is a bug in log_pipeline";
        return Err(End::Trouble(message.to_owned()));
    }
    if stopped {
        return Err(End::Interrupted);
    }
    if sent == 0 {
        return Err(End::Nothing(format!(
            "nothing in {name}: no line of it is one of dpkg's log"
        )));
    }
    Ok(())
}
