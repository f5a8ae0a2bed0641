//! How it exits, and what it says then.

use crate::program::{GOOD, Run, Scratch, on_file, on_input, program, sample};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

/// A message of one line, nothing on standard output, and the code.
fn refused(run: &Run, code: i32, message: &str) {
    assert_eq!(
        (run.code, run.out.as_str()),
        (Some(code), ""),
        "{}",
        run.err
    );
    assert!(
        run.err.starts_with("logwatch: ") && run.err.lines().count() == 1,
        "{}",
        run.err
    );
    assert!(
        run.err.contains(message),
        "{:?} is not in {}",
        message,
        run.err
    );
}

#[test]
fn input_that_cannot_be_read() {
    let missing = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-such-log");
    refused(&on_file(&[], &missing), 1, "no-such-log");
    refused(
        &on_file(&["--"], Path::new("--all-days")),
        1,
        "cannot open \"--all-days\"",
    );
    refused(
        &on_file(&[], Path::new(env!("CARGO_TARGET_TMPDIR"))),
        1,
        if cfg!(unix) { "is a directory" } else { "" },
    );
    refused(&on_input(&[], b"\x1f\x8b\x08\x00"), 1, "zcat");
}

#[cfg(unix)]
#[test]
fn file_without_permission() {
    use std::os::unix::fs::PermissionsExt;
    let file = Scratch::file("secret.log", GOOD.as_bytes());
    fs::set_permissions(&file.0, fs::Permissions::from_mode(0o000)).expect("the file is ours");
    // A privileged user reads it all the same.
    if fs::read(&file.0).is_err() {
        refused(&on_file(&[], &file.0), 1, "ermission denied");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn file_that_opens_but_fails_to_be_read() {
    refused(
        &on_file(&[], Path::new("/proc/self/mem")),
        1,
        "cannot read \"/proc/self/mem\"",
    );
}

#[test]
fn wrong_usage() {
    for option in ["--nonsense", "-x", "--all-malformed=yes"] {
        refused(
            &on_file(&[option], &sample()),
            2,
            &format!("unknown option {option:?}"),
        );
    }
    refused(&on_file(&["other.log"], &sample()), 2, "one file at a time");
    refused(
        &on_file(&[], Path::new("")),
        2,
        "the name of the file is empty",
    );
}

#[test]
fn nothing_in_the_log() {
    refused(
        &on_input(&[], ""),
        3,
        "nothing in standard input: it is empty",
    );
    let empty = Scratch::file("empty.log", b"");
    refused(&on_file(&[], &empty.0), 3, "it is empty");
    let run = on_input(&[], "no log\nat all\n");
    assert_eq!(
        (run.code, run.books()),
        (Some(3), (2, 0, 2)),
        "the report comes all the same"
    );
    assert_eq!(
        run.err,
        "logwatch: nothing in standard input: no line of it is one of dpkg's log\n"
    );
}

#[test]
fn help() {
    for option in ["-h", "--help"] {
        let run = Run::new(program().arg(option).output().expect("the program starts"));
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
        let promised = [
            "Usage: logwatch",
            "--all-malformed",
            "--all-days",
            "NO_COLOR",
            "  0  ",
            "  1  ",
            "  2  ",
            "  3  ",
            "  4  ",
        ];
        for text in promised {
            assert!(run.out.contains(text), "{text:?} is not in {}", run.out);
        }
    }
}

#[test]
fn nobody_reads_the_output() {
    let removals = "2026-03-01 10:00:00 remove a:all 1 <none>\n".repeat(10_000);
    for log in [removals.as_str(), GOOD] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = program();
        command
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(writer)
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        drop(command);
        // Fails once the program has ended.
        let _ = child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(log.as_bytes());
        let run = Run::new(child.wait_with_output().expect("the program ends"));
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written() {
    for arguments in [&["--help"][..], &[]] {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let run = Run::new(
            program()
                .args(arguments)
                .arg(sample())
                .stdout(full)
                .output()
                .expect("the program starts"),
        );
        refused(&run, 4, "cannot write the output: No space left on device");
    }
}
