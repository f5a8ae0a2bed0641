//! The display while the program runs, on standard error: bars on a terminal, else a line now and
//! then.

use crate::pump::{IN_FLIGHT, Progress};
use crate::receivers::{Index, lock};
use fanfare::Queue;
use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::env;
use std::fmt;
use std::io::{self, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const A_DRAW: Duration = Duration::from_millis(100);
const A_LINE: Duration = Duration::from_secs(1);

/// The bars, while there are any.
static BARS: Mutex<Option<MultiProgress>> = Mutex::new(None);

pub(crate) struct Watched {
    pub(crate) size: Option<u64>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) queues: [Queue; 2],
    pub(crate) index: Arc<Index>,
}

/// Shows until it is dropped.
pub(crate) struct View {
    thread: Option<JoinHandle<()>>,
    end: Option<mpsc::Sender<()>>,
}

pub(crate) fn start(watched: Watched) -> View {
    let (end, ended) = mpsc::channel();
    let name = thread::Builder::new().name("view".to_owned());
    // Without a thread the display is off, and the rest works.
    let target = ProgressDrawTarget::stderr();
    let thread = if !target.is_hidden() {
        let bars = Bars::new(&watched, target);
        name.spawn(move || bars.draw(&watched, &ended))
    } else {
        name.spawn(move || print(&watched, &ended))
    };
    View {
        thread: thread.ok(),
        end: Some(end),
    }
}

impl Drop for View {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Prints one line to standard error, above the bars. The reader of standard error may have gone:
/// that is no error here.
pub(crate) fn say(text: fmt::Arguments<'_>) {
    let text = format!("log_pipeline: {text}");
    let bars = lock(&BARS).clone();
    let _ = match bars {
        Some(bars) => bars.println(text),
        None => writeln!(io::stderr(), "{text}"),
    };
}

struct Bars {
    all: MultiProgress,
    input: ProgressBar,
    queues: [ProgressBar; 2],
    parallel: ProgressBar,
    index: ProgressBar,
}

impl Bars {
    fn new(watched: &Watched, target: ProgressDrawTarget) -> Self {
        let all = MultiProgress::with_draw_target(target);
        let bar = |size, template, prefix: &str| {
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let style = if utf8() {
                style
            } else {
                style.progress_chars("#- ").tick_chars("|/-\\ ")
            };
            all.add(ProgressBar::new(size).with_style(style))
                .with_prefix(prefix.to_owned())
        };
        const INPUT: &str = "{prefix:8} {bar:20} {percent:>3} %  {wide_msg}";
        const UNSIZED: &str = "{prefix:8} {spinner}  {wide_msg}";
        const QUEUE: &str = "{prefix:8} {bar:20} {pos:>4} of {len}  {wide_msg}";
        const CHUNKS: &str = "{prefix:8} {wide_msg}";
        let room = |queue: &Queue| queue.capacity().map_or(0, |capacity| capacity as u64);
        let input = match watched.size {
            Some(size) => bar(size, INPUT, "read"),
            None => bar(0, UNSIZED, "read"),
        };
        let bars = Self {
            input,
            queues: watched
                .queues
                .each_ref()
                .map(|queue| bar(room(queue), QUEUE, queue.name())),
            index: bar(IN_FLIGHT as u64, QUEUE, "index"),
            parallel: bar(0, CHUNKS, "chunks"),
            all: all.clone(),
        };
        *lock(&BARS) = Some(all);
        bars
    }

    fn draw(self, watched: &Watched, ended: &mpsc::Receiver<()>) {
        loop {
            self.look(watched);
            if ended.recv_timeout(A_DRAW) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        *lock(&BARS) = None;
        // The report has it all.
        let _ = self.all.clear();
    }

    fn look(&self, watched: &Watched) {
        let progress = &*watched.progress;
        self.input.set_position(progress.bytes.get());
        let (lines, malformed) = (progress.lines.get(), progress.malformed.get());
        self.input.set_message(format!(
            "{} lines, {malformed} malformed",
            HumanCount(lines)
        ));
        self.input.tick();
        for (queue, bar) in watched.queues.iter().zip(&self.queues) {
            let stats = queue.stats();
            bar.set_position(stats.depth as u64);
            bar.set_message(format!(
                "delivered {}, dropped {}",
                HumanCount(stats.delivered),
                HumanCount(stats.dropped)
            ));
        }
        let index = &watched.index.tally;
        self.index.set_position(index.in_hand());
        self.index.set_message(format!(
            "delivered {}, failed {}",
            HumanCount(index.delivered.get()),
            HumanCount(index.failed.get())
        ));
        self.parallel
            .set_message(HumanCount(progress.chunks.get()).to_string());
    }
}

/// Without a terminal.
fn print(watched: &Watched, ended: &mpsc::Receiver<()>) {
    while ended.recv_timeout(A_LINE) == Err(RecvTimeoutError::Timeout) {
        let progress = &*watched.progress;
        let mut text = format!("{} lines", progress.lines.get());
        for queue in &watched.queues {
            let stats = queue.stats();
            text += &format!(
                "; {}: depth {}, delivered {}, dropped {}",
                queue.name(),
                stats.depth,
                stats.delivered,
                stats.dropped
            );
        }
        text += &format!("; index: {} in flight", watched.index.tally.in_hand());
        say(format_args!("{text}"));
    }
}

/// Returns `true` if the locale takes more than ASCII.
fn utf8() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}
