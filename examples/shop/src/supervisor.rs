//! The supervisor: it owns the screen, kills the worker and starts it again, and checks the books.

use std::fs::{self, File, TryLockError};
use std::future::pending;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use crate::keys::Wish;
use crate::options::Options;
use crate::report::Report;
use crate::screen::Screen;
use crate::tally::{Kill, Tally};
use crate::worker::{CLOSE, DISCARD};
use crate::{Fatal, chaos, keys, reading, tables, view};

/// The end of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    AddUp,
    DoNotAddUp,
    /// By a second Ctrl-C.
    Interrupted,
}

pub(crate) async fn run(options: &Options) -> Result<End, Fatal> {
    let mut temporary = None;
    let folder = match &options.folder {
        Some(folder) => folder.clone(),
        None => {
            let folder = tempfile::Builder::new().prefix("shop-").tempdir()?;
            temporary.insert(folder).path().to_owned()
        }
    };
    let named = |error| format!("the folder {folder:?} cannot be used: {error}");
    fs::create_dir_all(&folder).map_err(named)?;
    let lock = File::create(folder.join("lock")).map_err(named)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(format!("another shop is open in {folder:?}: close it first").into());
        }
        Err(TryLockError::Error(error)) => return Err(named(error).into()),
    }

    let seed = options.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let mut shop = Shop::open(folder, seed, options.chaos)?;
    let is_over = shop.until_closed().await;
    shop.screen.clear()?;
    if !is_over? {
        return Ok(End::Interrupted);
    }
    let end = shop.balance().await?;
    if end == End::DoNotAddUp {
        keep(temporary, &mut shop.screen)?;
    }
    Ok(end)
}

/// Leaves a temporary folder for a look at its files.
fn keep(temporary: Option<TempDir>, screen: &mut Screen) -> Result<(), Fatal> {
    if let Some(folder) = temporary.map(TempDir::keep) {
        screen.note(&format!("the files are left in {}", folder.display()))?;
    }
    Ok(())
}

/// A process that works.
struct Worker {
    child: Child,
    process: u32,
    commands: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    fn start(folder: &Path, seed: u64) -> Result<Self, Fatal> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["--worker", "--seed", &seed.to_string(), "--"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        // Ctrl-C is for the supervisor, and a terminal sends it to the whole group.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (commands, reports) = pipes.ok_or("the worker has no pipes")?;
        Ok(Worker {
            process: child.id().ok_or("the worker has ended at once")?,
            child,
            commands,
            reports: BufReader::new(reports).lines(),
        })
    }

    async fn command(&mut self, command: &str) {
        // A worker that has ended is noticed by the end of its reports.
        let line = format!("{command}\n");
        let _ = self.commands.write_all(line.as_bytes()).await;
    }
}

struct Shop {
    folder: PathBuf,
    seed: u64,
    worker: Worker,
    tally: Tally,
    screen: Screen,
    keys: Option<UnboundedReceiver<Wish>>,
    kills: Box<dyn Iterator<Item = Duration> + Send>,
    /// The end of the chaos.
    closes: Option<Duration>,
    is_closing: bool,
}

/// The things that a supervisor waits for.
enum Next {
    Report(Option<String>),
    Wish(Wish),
    Kill,
    Close,
    Interrupt,
    Draw,
}

impl Shop {
    fn open(folder: PathBuf, seed: u64, chaos: Option<Duration>) -> Result<Self, Fatal> {
        let mut screen = Screen::new();
        screen.note(&format!("shop in {}, seed {seed}", folder.display()))?;
        let worker = Worker::start(&folder, seed)?;
        Ok(Shop {
            folder,
            seed,
            worker,
            tally: Tally::new(),
            screen,
            keys: chaos.is_none().then(keys::read),
            kills: match chaos {
                Some(time) => Box::new(chaos::kills(seed, time)),
                None => Box::new(std::iter::empty()),
            },
            closes: chaos,
            is_closing: false,
        })
    }

    /// Runs until the worker has closed the shop. Returns `false` after a second Ctrl-C.
    async fn until_closed(&mut self) -> Result<bool, Fatal> {
        let opened = Instant::now();
        let mut next_kill = self.kills.next();
        let mut looks = tokio::time::interval(Duration::from_millis(100));
        loop {
            let kill_at = next_kill.filter(|_| !self.is_closing);
            let close_at = self.closes.filter(|_| !self.is_closing);
            let keys = &mut self.keys;
            let wish = async {
                match keys {
                    Some(keys) => match keys.recv().await {
                        Some(wish) => wish,
                        None => pending().await,
                    },
                    None => pending().await,
                }
            };
            let next = tokio::select! {
                line = self.worker.reports.next_line() => Next::Report(line?),
                wish = wish => Next::Wish(wish),
                () = at(kill_at.map(|time| opened + time)) => Next::Kill,
                () = at(close_at.map(|time| opened + time)) => Next::Close,
                interrupt = tokio::signal::ctrl_c() => { interrupt?; Next::Interrupt }
                _ = looks.tick() => Next::Draw,
            };
            match next {
                Next::Report(Some(line)) => self.note(&line)?,
                Next::Report(None) => {
                    self.ended().await?;
                    return Ok(true);
                }
                Next::Kill => {
                    next_kill = self.kills.next();
                    self.kill().await?;
                }
                Next::Wish(Wish::Kill) => self.kill().await?,
                Next::Wish(Wish::Discard) => self.worker.command(DISCARD).await,
                Next::Wish(Wish::Quit) | Next::Close => self.close().await?,
                Next::Interrupt if self.is_closing => return Ok(false),
                Next::Interrupt => self.close().await?,
                Next::Draw => self.draw()?,
            }
        }
    }

    fn draw(&mut self) -> Result<(), Fatal> {
        let last_line = match (self.is_closing, self.closes) {
            (true, _) => "closing: the last events are delivered",
            (false, Some(_)) => "chaos; Ctrl-C closes the shop and checks the books",
            (false, None) => {
                "k kills the worker, d discards dead letters, q closes the shop and checks the books"
            }
        };
        let lines = view::live(&self.tally, self.worker.process, last_line);
        Ok(self.screen.draw(&lines)?)
    }

    fn note(&mut self, line: &str) -> Result<(), Fatal> {
        let report: Report = serde_json::from_str(line)?;
        let number = self.tally.kills.len() + 1;
        if let Report::Started { owed, .. } = report {
            let seconds = self.tally.opened.elapsed().as_secs_f64();
            let process = self.worker.process;
            self.screen.note(&format!(
                "{seconds:7.1} s  worker {number} is process {process}, {owed} deliveries are owed"
            ))?;
        }
        if let Report::Returned { order, error } = &report {
            self.screen.note(&format!(
                "the dead letter of order {order} is discarded: {error}"
            ))?;
        }
        self.tally.note(report);
        Ok(())
    }

    /// Kills the worker by SIGKILL, and starts the next.
    async fn kill(&mut self) -> Result<(), Fatal> {
        self.worker.child.start_kill()?;
        // The reports that it has written before are in the pipe.
        while let Some(line) = self.worker.reports.next_line().await? {
            self.note(&line)?;
        }
        let status = self.worker.child.wait().await?;
        if self.tally.is_closed || self.tally.failed.is_some() {
            // It was faster than the kill. The end of its reports is found again.
            return Ok(());
        }
        let seconds = self.tally.opened.elapsed().as_secs_f64();
        let number = self.tally.kills.len() + 1;
        self.screen.note(&format!(
            "{seconds:7.1} s  worker {number} is killed: {status}"
        ))?;
        self.tally.kills.push(Kill { owed: None });
        self.worker = Worker::start(&self.folder, self.seed)?;
        if self.is_closing {
            self.worker.command(CLOSE).await;
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Fatal> {
        if !self.is_closing {
            self.is_closing = true;
            let seconds = self.tally.opened.elapsed().as_secs_f64();
            self.screen.note(&format!(
                "{seconds:7.1} s  closing: the last events are delivered"
            ))?;
            self.worker.command(CLOSE).await;
        }
        Ok(())
    }

    /// Checks that the worker has ended because the shop is closed.
    async fn ended(&mut self) -> Result<(), Fatal> {
        let status = self.worker.child.wait().await?;
        if let Some(error) = &self.tally.failed {
            return Err(format!("the worker could not go on: {error}").into());
        }
        if !self.tally.is_closed {
            return Err(format!("the worker has ended by itself: {status}").into());
        }
        Ok(())
    }

    /// Reads the books from the files, and prints them.
    async fn balance(&mut self) -> Result<End, Fatal> {
        let db = tables::open(&self.folder).await?;
        let mut books = reading::read(&db, &self.folder).await?;
        books.reported.clone_from(&self.tally.placed);
        books.rolled_back.clone_from(&self.tally.rolled_back);
        let faults = books.faults();
        for line in view::books(&books, &faults, &self.tally, &self.folder) {
            self.screen.note(&line)?;
        }
        db.inner().clone().close().await?;
        Ok(if faults.is_empty() {
            End::AddUp
        } else {
            End::DoNotAddUp
        })
    }
}

/// Waits for a time, forever if there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => pending().await,
    }
}
