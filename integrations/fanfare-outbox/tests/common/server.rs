//! A PostgreSQL server of a test's own, on loopback, in a temporary folder.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::signal;

/// Prints the reason for which a test is left out.
pub fn skip(test: &str, reason: &str) {
    // Past the test harness, which hides the output of a passing test.
    let text = format!("skipped: {test}: {reason}\n");
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

/// A server, which is stopped and deleted on drop.
pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    password: String,
    port: u16,
    process: Option<Child>,
}

impl Server {
    /// Makes a server and starts it. Returns the reason if the machine has none.
    ///
    /// The server ends with the thread that has started it.
    pub fn new() -> Result<Self, String> {
        let programs = programs()?;
        let random = RandomState::new();
        let folder = std::env::temp_dir().join(format!("fanfare-{:016x}", random.hash_one(0)));
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut server = Server {
            programs,
            folder,
            password: format!("{:016x}{:016x}", random.hash_one(1), random.hash_one(2)),
            port: 0,
            process: None,
        };
        server.make()?;
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
            server.port = port.map_err(|error| error.to_string())?.port();
            if server.try_start() {
                return Ok(server);
            }
        }
        Err(format!("it does not start: {}", server.log()))
    }

    fn make(&self) -> Result<(), String> {
        let text = |error: std::io::Error| error.to_string();
        let file = self.folder.join("password");
        fs::write(&file, &self.password).map_err(text)?;
        if is_root() {
            let postgres = id_of_postgres()?;
            for path in [&self.folder, &file] {
                chown(path, Some(postgres), None).map_err(text)?;
            }
        }
        let made = self
            .as_server("initdb")
            .arg("-D")
            .arg(self.folder.join("data"))
            .arg(format!("--pwfile={}", file.display()))
            .args(["-U", "fanfare", "--auth=scram-sha-256", "-E", "UTF8"])
            .args(["--locale=C", "--no-sync"])
            .output()
            .map_err(text)?;
        if made.status.success() {
            return Ok(());
        }
        Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)))
    }

    /// Returns a command of the server. It refuses to run as root, and ends with this thread.
    fn as_server(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "INT"]);
        if is_root() {
            command.args([
                "--reuid",
                "postgres",
                "--regid",
                "postgres",
                "--clear-groups",
            ]);
        }
        command.arg(self.programs.join(program)).current_dir("/");
        command
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Starts a server that was stopped, on the port that it had.
    pub fn start(&mut self) {
        assert!(self.try_start(), "{}", self.log());
    }

    fn try_start(&mut self) -> bool {
        let log = File::create(self.folder.join("log")).unwrap();
        let data = self.folder.join("data");
        let started = self
            .as_server("postgres")
            .arg("-D")
            .arg(&data)
            .args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-k", ""])
            .args(["-c", "fsync=off", "-c", "max_connections=50"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let mut process = started.unwrap();
        // It is in the server's own file, so no other server on the port is taken for it.
        let is_ready = || {
            let state = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
            state.lines().any(|line| line.starts_with("ready"))
        };
        for _ in 0..600 {
            if is_ready() {
                self.process = Some(process);
                return true;
            }
            if process.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = process.kill();
        let _ = process.wait();
        false
    }

    /// Ends all connections and stops the server.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            signal(process.id(), "INT");
            process.wait().unwrap();
        }
    }

    pub fn url(&self) -> String {
        let (password, port) = (&self.password, self.port);
        format!("postgres://fanfare:{password}@127.0.0.1:{port}/postgres")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Runs a program of PostgreSQL. Returns its messages as an error if it fails.
pub fn run<A: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = A>,
) -> Result<(), String> {
    let mut command = Command::new(programs()?.join(program));
    let ran = command.args(arguments).stdin(Stdio::null()).output();
    let ran = ran.map_err(|error| format!("{program}: {error}"))?;
    if ran.status.success() {
        return Ok(());
    }
    Err(format!(
        "{program}: {}",
        String::from_utf8_lossy(&ran.stderr)
    ))
}

/// Returns the folder of the server's programs. Debian has them in folders by version.
fn programs() -> Result<PathBuf, String> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions = versions.flatten().map(|version| version.path().join("bin"));
    let mut folders: Vec<_> = versions.collect();
    let version = |folder: &PathBuf| {
        let name = folder.parent().and_then(Path::file_name)?;
        name.to_str()?.parse::<u32>().ok()
    };
    folders.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    let has_all = |folder: &PathBuf| {
        let mut programs = ["postgres", "initdb", "pg_dump", "psql"].iter();
        programs.all(|program| folder.join(program).is_file())
    };
    folders
        .into_iter()
        .find(has_all)
        .ok_or_else(|| "postgres, initdb, pg_dump and psql are not installed".to_owned())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn id_of_postgres() -> Result<u32, String> {
    let id = Command::new("id").args(["-u", "postgres"]).output();
    let id = id.ok().and_then(|id| String::from_utf8(id.stdout).ok());
    id.and_then(|id| id.trim().parse().ok())
        .ok_or_else(|| "it will not run as root, and there is no user postgres".to_owned())
}
