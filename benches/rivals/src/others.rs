//! The rivals of other languages: builds and runs their programs, and reads their output.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::measure::Effort;
use crate::results::{Row, said};
use crate::work::latency::sum_up;
use crate::work::tail;
use crate::work::threads::counts;

/// The compiler or interpreter, and the rows.
type Measured = Result<(String, Vec<Row>), Box<dyn Error>>;

/// A library of C++: its file here, a header that shows whether it is installed, and the package.
struct Library {
    file: &'static str,
    name: &'static str,
    header: &'static str,
    pkg_config: Option<&'static str>,
    debian: &'static str,
}

const LIBRARIES: [Library; 5] = [
    Library {
        file: "boost.cpp",
        name: "Boost.Signals2",
        header: "boost/signals2.hpp",
        pkg_config: None,
        debian: "libboost-dev",
    },
    Library {
        file: "sigc.cpp",
        name: "libsigc++",
        header: "sigc++/sigc++.h",
        pkg_config: Some("sigc++-3.0"),
        debian: "libsigc++-3.0-dev",
    },
    Library {
        file: "urcu.cpp",
        name: "liburcu `memb`, an array",
        header: "urcu.h",
        pkg_config: Some("liburcu-memb"),
        debian: "liburcu-dev",
    },
    Library {
        file: "urcu_qsbr.cpp",
        name: "liburcu `qsbr`, an array",
        header: "urcu-qsbr.h",
        pkg_config: Some("liburcu-qsbr"),
        debian: "liburcu-dev",
    },
    Library {
        file: "qt.cpp",
        name: "Qt, direct connections",
        header: "QtCore/QObject",
        pkg_config: Some("Qt6Core"),
        debian: "qt6-base-dev",
    },
];

/// The flags with which every rival of C++ is built. Without the last one, receivers whose type is
/// the only one in their file are inlined into the loop.
const FLAGS: [&str; 7] = [
    "-std=c++20",
    "-O2",
    "-DNDEBUG",
    "-fPIC",
    "-pthread",
    "-Wall",
    "-fno-devirtualize-speculatively",
];

/// All work, or the tail alone.
pub(crate) fn cpp(effort: &Effort, target: &Path, tail_alone: bool) -> Measured {
    if said("g++", &["--version"]).is_empty() {
        let row = Row::without("sends", "C++", 0, "not measured: there is no g++");
        return Ok((String::new(), vec![row]));
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("cpp");
    let target = target.join("rivals-cpp");
    fs::create_dir_all(&target)?;
    let mut rows = Vec::new();
    let mut link = Vec::new();
    for file in ["main.cpp", "floor.cpp"] {
        link.push(compile(&sources, &target, file, &[])?);
    }
    for library in &LIBRARIES {
        let pkg_config = |what| match library.pkg_config {
            Some(package) => words(&said("pkg-config", &[what, package])),
            None => Vec::new(),
        };
        let (flags, libraries) = (pkg_config("--cflags"), pkg_config("--libs"));
        let is_known = library.pkg_config.is_none() || !libraries.is_empty();
        if !is_known || !is_there(library.header, &flags) {
            let why = format!(
                "not measured: needs Debian's {} and pkg-config",
                library.debian
            );
            rows.push(Row::without("sends", library.name, 0, &why));
            continue;
        }
        if library.file == "qt.cpp" {
            meta_objects(&sources, &target)?;
        }
        link.push(compile(&sources, &target, library.file, &flags)?);
        link.extend(libraries);
    }
    let program = target.join("rivals");
    run(Command::new("g++")
        .args(["-pthread", "-o"])
        .arg(&program)
        .args(link))?;
    eprintln!("cpp: runs");
    let mut command = Command::new(program);
    command.args(arguments(effort)).args([
        effort.tail_sends.to_string(),
        effort.tail_runs.to_string(),
        u8::from(tail_alone).to_string(),
    ]);
    let (runs, all): (Vec<Row>, Vec<Row>) = read(&mut command)?
        .into_iter()
        .partition(|row| row.work == "tail");
    rows.extend(all);
    rows.extend(tail::medians(runs));
    let version = said("g++", &["--version"]);
    let version = version.lines().next().unwrap_or_default();
    Ok((format!("{version}, {}", FLAGS.join(" ")), rows))
}

fn compile(
    sources: &Path,
    target: &Path,
    file: &str,
    flags: &[String],
) -> Result<String, Box<dyn Error>> {
    eprintln!("cpp: compiles {file}");
    let object = target.join(file).with_extension("o");
    run(Command::new("g++")
        .args(FLAGS)
        .args(flags)
        .arg("-I")
        .arg(target)
        .arg("-c")
        .arg(sources.join(file))
        .arg("-o")
        .arg(&object))?;
    Ok(object.display().to_string())
}

fn is_there(header: &str, flags: &[String]) -> bool {
    let mut command = Command::new("g++");
    command.args([
        "-std=c++20",
        "-fPIC",
        "-E",
        "-x",
        "c++",
        "-include",
        header,
        "/dev/null",
    ]);
    let status = command
        .args(flags)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Generates the code that Qt's `moc` makes for classes with signals.
fn meta_objects(sources: &Path, target: &Path) -> Result<(), Box<dyn Error>> {
    let folder = said("pkg-config", &["--variable=libexecdir", "Qt6Core"]);
    run(Command::new(Path::new(&folder).join("moc"))
        .arg(sources.join("qt.cpp"))
        .arg("-o")
        .arg(target.join("qt.moc")))
}

pub(crate) fn python(effort: &Effort, target: &Path) -> Measured {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let venv = target.join("rivals-python");
    let python = venv.join("bin/python");
    if let Err(error) = install(&sources, &venv, &python) {
        let why = format!("not measured: no virtual environment: {error}");
        return Ok((
            String::new(),
            vec![Row::without("sends", "Django, blinker", 0, &why)],
        ));
    }
    eprintln!("python: runs");
    let mut command = Command::new(&python);
    let rows = read(
        command
            .arg(sources.join("rivals.py"))
            .args(arguments(effort)),
    )?;
    Ok((said(&python.display().to_string(), &["--version"]), rows))
}

fn install(sources: &Path, venv: &Path, python: &Path) -> Result<(), Box<dyn Error>> {
    let mut imports = Command::new(python);
    imports.args(["-c", "import django, blinker"]);
    let imports = imports.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if imports.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(venv))?;
    run(Command::new(python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ])
        .arg(sources.join("requirements.txt")))
}

/// Returns the first arguments of both programs, in this order.
fn arguments(effort: &Effort) -> Vec<String> {
    let list = |numbers: &[u64]| {
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        numbers.join(",")
    };
    let threads: Vec<u64> = counts(effort.threads)
        .iter()
        .map(|&count| count as u64)
        .collect();
    vec![
        effort.rounds.to_string(),
        effort.round.as_nanos().to_string(),
        list(&crate::measure::RECEIVERS),
        list(effort.held),
        list(effort.senders),
        list(&threads),
        effort.timed_sends.to_string(),
        effort.timed_rounds.to_string(),
        effort.in_memory.to_string(),
    ]
}

fn read(command: &mut Command) -> Result<Vec<Row>, Box<dyn Error>> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", output.status).into());
    }
    let printed = String::from_utf8(output.stdout)?;
    let rows = printed.lines().map(|line| {
        let mut row: Row = serde_json::from_str(line)
            .map_err(|error| format!("cannot read the row {line}: {error}"))?;
        sum_up(&mut row);
        Ok(row)
    });
    rows.collect()
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.stdout(Stdio::null()).status();
    match status.map_err(|error| format!("{}: {error}", command.get_program().display()))? {
        status if status.success() => Ok(()),
        status => Err(format!("{} failed: {status}", command.get_program().display()).into()),
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(String::from).collect()
}
