//! Django in a process of its own, and the reduction of a program to the operations that matter.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::program::Program;

/// A run of `programs.py`.
pub(crate) struct Django {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    /// The version of Django.
    pub(crate) version: String,
}

impl Django {
    /// Starts `programs.py` with the interpreter `python`.
    pub(crate) fn start(python: &str, arguments: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/django");
        let mut child = Command::new(python)
            // No compiled files appear in the checkout.
            .arg("-B")
            .arg(folder.join("programs.py"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("`{python}` did not start: {error}"));
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let first = lines.next().map(|line| line.expect("a line of text"));
        let version = first
            .as_deref()
            .and_then(|line| line.strip_prefix("django "));
        let version = version.unwrap_or_else(|| panic!("`{python}` cannot import Django"));
        Django {
            version: version.to_owned(),
            input: child.stdin.take(),
            child,
            lines,
        }
    }

    /// Returns the next program with its trace. Returns `None` after the last one.
    pub(crate) fn next_program(&mut self) -> Option<Program> {
        let mut lines = self
            .lines
            .by_ref()
            .map(|line| line.expect("a line of text"));
        Program::read(&mut lines)
    }

    /// Runs a program, and returns it with its trace.
    fn trace(&mut self, program: &Program) -> Program {
        let input = self.input.as_mut().expect("it is open");
        write!(input, "{program}").expect("it reads programs");
        input.flush().expect("it reads programs");
        self.next_program().expect("it runs each program")
    }

    /// Waits for the end.
    pub(crate) fn finish(mut self) {
        drop(self.input.take());
        let status = self.child.wait().expect("it was started");
        assert!(status.success(), "programs.py failed: {status}");
    }
}

impl Drop for Django {
    /// Ends the process if it has more programs.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Leaves out operations as long as `fails` returns `true` for the rest. Returns the last program
/// for which it did.
pub(crate) fn shrink(
    program: Program,
    django: &mut Django,
    fails: impl Fn(&Program) -> bool,
) -> Program {
    let mut smallest = program;
    loop {
        let before = smallest.scripts.len() + smallest.ops.len();
        for at in (0..before).rev() {
            let mut smaller = smallest.clone();
            match at.checked_sub(smaller.scripts.len()) {
                Some(op) => drop(smaller.ops.remove(op)),
                None => drop(smaller.scripts.remove(at)),
            }
            let traced = django.trace(&smaller);
            if fails(&traced) {
                smallest = traced;
            }
        }
        if smallest.scripts.len() + smallest.ops.len() == before {
            return smallest;
        }
    }
}
