//! The options of the command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const HELP: &str = "\
Takes orders, bills, ships and mails in a process that is killed while it works, and checks the books.

Usage: shop [OPTIONS] [FOLDER]

  FOLDER             where shop.db and mails.txt are [default: a new folder, removed at the end]
  --chaos [SECONDS]  kills the worker at random moments for 2 to 3600 seconds [default: 30], then checks the books
  --seed N           the seed of the kills and of the orders [default: at random]
  -h, --help         prints this

Without --chaos these keys work: k kills the worker and starts it again, d discards dead letters, and q closes the shop
and checks the books, as Ctrl-C does. If the input is no terminal, each key needs a line. A second Ctrl-C ends at once.

Exit codes:
  0    the books add up
  1    the books do not add up, or the shop could not work
  2    wrong usage
  130  ended by a second Ctrl-C
";

pub(crate) struct Options {
    pub(crate) folder: Option<PathBuf>,
    /// The time of random kills, if they are wanted.
    pub(crate) chaos: Option<Duration>,
    pub(crate) seed: Option<u64>,
    /// `true` in the process that does the work. The supervisor sets it.
    pub(crate) is_worker: bool,
}

impl Options {
    /// Reads the arguments. Returns `None` if help is wanted.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Option<Self>, String> {
        let mut options = Options {
            folder: None,
            chaos: None,
            seed: None,
            is_worker: false,
        };
        let mut arguments = arguments.peekable();
        let mut only_folders = false;
        while let Some(argument) = arguments.next() {
            let text = argument.to_string_lossy();
            match &*text {
                "--" if !only_folders => only_folders = true,
                "-h" | "--help" if !only_folders => return Ok(None),
                "--worker" if !only_folders => options.is_worker = true,
                "--chaos" if !only_folders => {
                    let is_number = |next: &OsString| {
                        let next = next.to_string_lossy();
                        next.trim_start_matches('-')
                            .starts_with(|c: char| c.is_ascii_digit())
                    };
                    let time = arguments.next_if(is_number);
                    let time =
                        time.map_or(Ok(DEFAULT_CHAOS), |time| seconds(&time.to_string_lossy()));
                    options.chaos = Some(time?);
                }
                "--seed" if !only_folders => {
                    let number = arguments.next().ok_or("--seed needs a number")?;
                    let number = number.to_string_lossy();
                    let seed = number.parse();
                    let seed =
                        seed.map_err(|error| format!("the seed {number:?} is no number: {error}"))?;
                    options.seed = Some(seed);
                }
                option if !only_folders && option.starts_with('-') => {
                    return Err(format!("unknown option {option:?}"));
                }
                "" => return Err("the name of the folder is empty".to_owned()),
                folder if options.folder.is_some() => {
                    return Err(format!("{folder:?} is a second folder: name one"));
                }
                _ => options.folder = Some(PathBuf::from(&argument)),
            }
        }
        if options.is_worker && options.folder.is_none() {
            return Err("--worker needs a folder".to_owned());
        }
        // Not `is_dir` alone, because the folder may not exist yet.
        if let Some(folder) = &options.folder
            && folder.exists()
            && !folder.is_dir()
        {
            return Err(format!("{folder:?} is no folder: name a folder"));
        }
        Ok(Some(options))
    }
}

const DEFAULT_CHAOS: Duration = Duration::from_secs(30);

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(number @ 2..=3600) => Ok(Duration::from_secs(number)),
        _ => Err(format!("--chaos {text:?}: give 2 to 3600 seconds")),
    }
}
