#![doc = include_str!("../README.md")]

mod cores;
mod measure;
mod others;
mod page;
mod results;
mod rival;
mod rivals;
mod work;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use measure::Effort;
use pico_args::Arguments;
use results::Results;

const HELP: &str = "\
Measures fanfare beside its rivals and writes docs/performance.md, docs/charts/ and benches/rivals/results/.

  --quick               few rounds, small sizes; writes below target/quick instead
  --threads N           so many sending threads at most, and by default: as many as there are cores
  --only rust|cpp|python
  --tail                measures the tail of sends alone, and keeps what else is stored
  --runs N              so many runs of that
  --weak-dead           measures sends after the deaths of weak receivers alone, as above
  --render              measures nothing: writes the page from the stored results
  --out DIR             writes below DIR as below the root of the repository";

/// The languages, in the order in which they are measured.
const LANGUAGES: [&str; 3] = ["rust", "cpp", "python"];

/// Work that can be measured alone.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Tail,
    WeakDead,
}

impl Part {
    /// The start of the names of its works.
    fn works(self) -> &'static str {
        match self {
            Part::Tail => "tail",
            Part::WeakDead => "weak_dead",
        }
    }
}

struct Options {
    quick: bool,
    threads: usize,
    only: Option<String>,
    part: Option<Part>,
    runs: Option<usize>,
    render: bool,
    out: PathBuf,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_env();
    if arguments.contains(["-h", "--help"]) {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match options(arguments).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: Arguments) -> Result<Options, Box<dyn Error>> {
    let cores = cores::count();
    let threads: Option<usize> = arguments
        .opt_value_from_str("--threads")
        .map_err(|error| format!("--threads: {error}: give a number"))?;
    let quick = arguments.contains("--quick");
    let out: Option<PathBuf> = arguments.opt_value_from_str("--out")?;
    let options = Options {
        quick,
        threads: threads.unwrap_or(cores),
        only: arguments.opt_value_from_str("--only")?,
        part: match (
            arguments.contains("--tail"),
            arguments.contains("--weak-dead"),
        ) {
            (true, true) => return Err("--tail and --weak-dead exclude each other".into()),
            (true, false) => Some(Part::Tail),
            (false, true) => Some(Part::WeakDead),
            (false, false) => None,
        },
        runs: arguments.opt_value_from_str("--runs")?,
        render: arguments.contains("--render"),
        out: out.unwrap_or_else(|| {
            if quick {
                target().join("quick")
            } else {
                root()
            }
        }),
    };
    if let Some(left) = arguments.finish().first() {
        return Err(format!("unknown argument {left:?}: --help lists them").into());
    }
    // On one core threads take turns, and no lock costs anything.
    if !(1..=cores).contains(&options.threads) {
        let threads = options.threads;
        return Err(format!(
            "--threads {threads}: this machine runs 1 to {cores} at the same time"
        )
        .into());
    }
    match &options.only {
        Some(only) if !LANGUAGES.contains(&only.as_str()) => {
            Err(format!("unknown language `{only}`: --only takes rust, cpp or python").into())
        }
        _ => Ok(options),
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut effort = if options.quick {
        Effort::quick(options.threads)
    } else {
        Effort::full(options.threads)
    };
    effort.tail_runs = options.runs.unwrap_or(effort.tail_runs).max(1);
    let wanted = |language: &str| options.only.as_deref().is_none_or(|only| only == language);
    if !options.render {
        // Before anything is written.
        let commit = results::commit();
        for language in LANGUAGES.into_iter().filter(|language| wanted(language)) {
            let rust = env!("RUSTC_VERSION").to_string();
            let (compiler, rows) = match (language, options.part) {
                ("cpp", None) => others::cpp(&effort, &target(), false)?,
                ("cpp", Some(Part::Tail)) => others::cpp(&effort, &target(), true)?,
                ("python", None) => others::python(&effort, &target())?,
                ("rust", None) => (rust, work::all(&effort)),
                ("rust", Some(Part::Tail)) => (rust, work::tail(&effort)),
                ("rust", Some(Part::WeakDead)) => (rust, work::weak_dead(&effort)),
                _ => continue,
            };
            let file = stored(&options.out, language);
            let results = match (Results::load(&file)?, options.part) {
                (Some(others), Some(part)) => others.with_part(part.works(), rows),
                _ => Results::new(language, compiler, commit.clone(), options.quick, rows),
            };
            results.store(&file)?;
        }
    }
    let mut all = Vec::new();
    for language in LANGUAGES {
        all.extend(Results::load(&stored(&options.out, language))?);
    }
    page::write(&all, &root(), &options.out)
}

fn stored(out: &Path, language: &str) -> PathBuf {
    out.join(format!("benches/rivals/results/{language}.json"))
}

/// The repository's.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the folder in which cargo put this program. The programs of other languages are built
/// there too.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let target = program.ancestors().nth(2);
    target.map_or_else(|| PathBuf::from("target"), Path::to_path_buf)
}
