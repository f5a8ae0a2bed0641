//! The exit of the program, and its message.

use crate::program::{GOOD, Run, Scratch, on_file, on_input, program, sample};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

#[test]
fn input_that_cannot_be_read() {
    let missing = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-such-log");
    on_file(&[], &missing).refused(1, "no-such-log");
    on_file(&["--"], Path::new("--all-days")).refused(1, "cannot open \"--all-days\"");
    on_file(&[], Path::new(env!("CARGO_TARGET_TMPDIR")))
        .refused(1, if cfg!(unix) { "is a directory" } else { "" });
    on_input(&[], b"\x1f\x8b\x08\x00").refused(1, "zcat");
}

#[cfg(unix)]
#[test]
fn file_without_permission() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("secret");
    let file = scratch.file("secret.log", GOOD);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).expect("the file is ours");
    // A privileged user reads it all the same.
    if fs::read(&file).is_err() {
        on_file(&[], &file).refused(1, "ermission denied");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn file_that_opens_but_fails_to_be_read() {
    on_file(&[], Path::new("/proc/self/mem")).refused(1, "cannot read \"/proc/self/mem\"");
}

#[test]
fn wrong_usage_is_refused_with_a_message() {
    for option in ["--nonsense", "-x", "--all-malformed=yes"] {
        on_file(&[option], &sample()).refused(2, &format!("unknown option {option:?}"));
    }
    on_file(&["other.log"], &sample()).refused(2, "one file at a time");
    on_file(&[], Path::new("")).refused(2, "the name of the file is empty");
}

#[test]
fn an_empty_log_is_reported() {
    on_input(&[], "").refused(3, "nothing in standard input: it is empty");
    let scratch = Scratch::new("empty");
    on_file(&[], &scratch.file("empty.log", "")).refused(3, "it is empty");
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
fn the_help_lists_the_options_and_the_exits() {
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
fn a_closed_output_is_no_error() {
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
        run.refused(4, "cannot write the output: No space left on device");
    }
}
