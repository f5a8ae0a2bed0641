//! The measurements, with the machine and the versions: the raw results that the page is made from.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::cores;

/// The values of one rival in one piece of work.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) rival: String,
    /// The number of receivers, senders or threads.
    #[serde(default)]
    pub(crate) at: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) values: BTreeMap<String, f64>,
    /// Instead of values: why there are none. The description of the rival, in rows of the work
    /// `about`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// Latencies in nanoseconds, and how often each was met, until they are summed up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) counts: Vec<(u64, u64)>,
}

impl Row {
    pub(crate) fn new(work: &str, rival: &str, at: u64, values: BTreeMap<String, f64>) -> Self {
        Row {
            work: work.into(),
            rival: rival.into(),
            at,
            values,
            why: None,
            counts: Vec::new(),
        }
    }

    pub(crate) fn without(work: &str, rival: &str, at: u64, why: &str) -> Self {
        Row {
            why: Some(why.into()),
            ..Row::new(work, rival, at, BTreeMap::new())
        }
    }
}

/// All of one language.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Results {
    pub(crate) language: String,
    pub(crate) machine: String,
    pub(crate) compiler: String,
    pub(crate) commit: String,
    pub(crate) date: String,
    pub(crate) quick: bool,
    pub(crate) rows: Vec<Row>,
}

impl Results {
    pub(crate) fn new(
        language: &str,
        compiler: String,
        commit: String,
        quick: bool,
        rows: Vec<Row>,
    ) -> Self {
        Results {
            language: language.into(),
            machine: machine(),
            compiler,
            commit,
            date: said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            quick,
            rows,
        }
    }

    /// Returns these results with other rows for the works whose names start with `part`.
    pub(crate) fn with_part(mut self, part: &str, rows: Vec<Row>) -> Self {
        self.rows.retain(|row| !row.work.starts_with(part));
        self.rows
            .extend(rows.into_iter().filter(|row| row.work.starts_with(part)));
        self
    }

    pub(crate) fn store(&self, file: &Path) -> Result<(), Box<dyn Error>> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        // A row on each line: differences between two runs can be read.
        let mut head = serde_json::to_value(self)?;
        head["rows"] = serde_json::Value::Array(Vec::new());
        let head = serde_json::to_string(&head)?;
        let rows: Result<Vec<String>, _> = self.rows.iter().map(serde_json::to_string).collect();
        let rows = format!("\"rows\":[\n{}\n]", rows?.join(",\n"));
        fs::write(file, head.replace("\"rows\":[]", &rows) + "\n")?;
        Ok(())
    }

    /// `None` if the language has not been measured.
    pub(crate) fn load(file: &Path) -> Result<Option<Self>, Box<dyn Error>> {
        if !file.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(file)?;
        let results = serde_json::from_str(&text)
            .map_err(|error| format!("cannot read the results in {}: {error}", file.display()))?;
        Ok(Some(results))
    }
}

fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpus.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(": ").nth(1)).unwrap_or("?")
    };
    let cores = cores::count();
    format!(
        "{} (family {}, model {}), {cores} cores, {} {}",
        field("model name"),
        field("cpu family"),
        field("model\t"),
        std::env::consts::OS,
        said("uname", &["-r"]),
    )
}

/// With a `+` if files that are tracked were changed since.
pub(crate) fn commit() -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let commit = said("git", &["-C", root, "rev-parse", "--short", "HEAD"]);
    let changed = said("git", &["-C", root, "status", "--porcelain", "-uno"]);
    let mark = if changed.is_empty() { "" } else { "+" };
    format!("{commit}{mark}")
}

/// Returns the output of a command, or an empty text if there is no such command.
pub(crate) fn said(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().into(),
    )
}

#[cfg(test)]
mod tests {
    use super::{Results, Row};

    #[test]
    fn stored_results_are_loaded() {
        let values = [("least".to_string(), 1.25), ("median".to_string(), 2.5)].into();
        let rows = vec![
            Row::new("sends", "\"a\", `b`", 4, values),
            Row::without("sends", "c", 0, "no reason"),
        ];
        let results = Results::new("rust", "a compiler".into(), "a commit".into(), true, rows);
        let folder = std::env::temp_dir().join(format!("fanfare-rivals-{}", std::process::id()));
        let file = folder.join("rust.json");
        results.store(&file).expect("the folder can be written");
        let loaded = Results::load(&file).expect("it can be read");
        std::fs::remove_dir_all(&folder).expect("it is there");
        let loaded = loaded.expect("it was stored");
        assert_eq!(format!("{loaded:?}"), format!("{results:?}"));
        assert!(
            Results::load(&file)
                .expect("a missing one is no error")
                .is_none()
        );
    }
}
