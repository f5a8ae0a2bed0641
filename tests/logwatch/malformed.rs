//! The lines that are events and those that are malformed. The program drops neither.

use crate::program::{GOOD, on_input, sample};
use std::fs;

#[test]
fn every_form_of_dpkg() {
    let forms = "\
2024-02-29 00:00:00 startup archives unpack
2024-02-29 00:00:00 startup archives install
2024-02-29 00:00:00 startup packages configure
2024-02-29 00:00:00 startup packages triggers-only
2024-02-29 00:00:00 startup packages remove
2024-02-29 00:00:00 startup packages purge
2024-02-29 00:00:00 install g++ <none> 4:12.2.0-3
2024-02-29 00:00:00 upgrade libstdc++6:amd64 12.2.0-14 12.2.0-14+deb12u1
2024-02-29 00:00:00 configure libc6:i386 2.36-9+deb12u10 2.36-9+deb12u10
2024-02-29 00:00:00 trigproc libc-bin:amd64 2.36-9 <none>
2024-02-29 00:00:00 disappear old:all 1 <none>
2024-02-29 00:00:00 remove 0ad:kfreebsd-amd64 0.0.26-3~bpo11+1 <none>
2024-02-29 00:00:00 purge 0ad:amd64 <none> <none>
2024-02-29 00:00:00 status not-installed a:all <none>
2024-02-29 00:00:00 status config-files a:all 1
2024-02-29 00:00:00 status half-installed a:all 1
2024-02-29 00:00:00 status unpacked a:all 1
2024-02-29 00:00:00 status half-configured a:all 1
2024-02-29 00:00:00 status triggers-awaited a:all 1
2024-02-29 00:00:00 status triggers-pending a:all 1
2000-02-29 23:59:60 status installed a:all 1
2024-12-31 23:59:59 conffile /etc/a b/ü.conf keep
2024-12-31 23:59:59 conffile /etc/c install
";
    let run = on_input(&[], forms);
    let lines = forms.lines().count() as u64;
    assert_eq!(run.books(), (lines, lines, 0), "{}", run.out);
}

#[test]
fn malformed_lines_have_a_reason() {
    let cases = [
        ("", "the line is empty"),
        (
            " 2026-03-01 10:00:00 startup archives unpack",
            "missing date",
        ),
        (
            "1900-02-29 10:00:00 startup archives unpack",
            "bad date \"1900-02-29\": expected a day as YYYY-MM-DD",
        ),
        (
            "2025-02-29 10:00:00 startup archives unpack",
            "bad date \"2025-02-29\": expected a day as YYYY-MM-DD",
        ),
        (
            "2026-13-01 10:00:00 startup archives unpack",
            "bad date \"2026-13-01\": expected a day as YYYY-MM-DD",
        ),
        (
            "2026-00-01 10:00:00 startup archives unpack",
            "bad date \"2026-00-01\": expected a day as YYYY-MM-DD",
        ),
        (
            "2026-04-31 10:00:00 startup archives unpack",
            "bad date \"2026-04-31\": expected a day as YYYY-MM-DD",
        ),
        (
            "2026-03-00 10:00:00 startup archives unpack",
            "bad date \"2026-03-00\": expected a day as YYYY-MM-DD",
        ),
        (
            "2026/03/01 10:00:00 startup archives unpack",
            "bad date \"2026/03/01\": expected a day as YYYY-MM-DD",
        ),
        (
            "2026-03-1 10:00:00 startup archives unpack",
            "bad date \"2026-03-1\": expected a day as YYYY-MM-DD",
        ),
        (
            "2026-+3-01 10:00:00 startup archives unpack",
            "bad date \"2026-+3-01\": expected a day as YYYY-MM-DD",
        ),
        ("2026-03-01", "missing time"),
        (
            "2026-03-01  10:00:00 startup archives unpack",
            "missing time",
        ),
        (
            "2026-03-01 10:60:00 startup archives unpack",
            "bad time \"10:60:00\": expected HH:MM:SS",
        ),
        (
            "2026-03-01 10:00:61 startup archives unpack",
            "bad time \"10:00:61\": expected HH:MM:SS",
        ),
        (
            "2026-03-01 10:00 startup archives unpack",
            "bad time \"10:00\": expected HH:MM:SS",
        ),
        ("2026-03-01 10:00:00", "missing action"),
        ("2026-03-01 10:00:00 ", "missing action"),
        (
            "2026-03-01 10:00:00 Install a 1 2",
            "unknown action \"Install\"",
        ),
        ("2026-03-01 10:00:00 install", "missing package"),
        (
            "2026-03-01 10:00:00 install -a 1 2",
            "bad package \"-a\": expected name or name:architecture",
        ),
        (
            "2026-03-01 10:00:00 install a: 1 2",
            "bad package \"a:\": expected name or name:architecture",
        ),
        (
            "2026-03-01 10:00:00 install a:b:c 1 2",
            "bad package \"a:b:c\": expected name or name:architecture",
        ),
        (
            "2026-03-01 10:00:00 install :amd64 1 2",
            "bad package \":amd64\": expected name or name:architecture",
        ),
        ("2026-03-01 10:00:00 install a", "missing installed version"),
        (
            "2026-03-01 10:00:00 install a 1",
            "missing available version",
        ),
        (
            "2026-03-01 10:00:00 install a 1 <some>",
            "bad version \"<some>\"",
        ),
        (
            "2026-03-01 10:00:00 install a 1 2 3",
            "unexpected \"3\" after the last field",
        ),
        (
            "2026-03-01 10:00:00 install a 1 2 ",
            "unexpected \"\" after the last field",
        ),
        ("2026-03-01 10:00:00 startup", "missing startup type"),
        (
            "2026-03-01 10:00:00 startup archives",
            "missing startup command",
        ),
        (
            "2026-03-01 10:00:00 startup packages unpack",
            "unknown startup \"packages\" \"unpack\"",
        ),
        ("2026-03-01 10:00:00 status", "missing state"),
        (
            "2026-03-01 10:00:00 status broken a 1",
            "unknown state \"broken\"",
        ),
        ("2026-03-01 10:00:00 status installed", "missing package"),
        ("2026-03-01 10:00:00 status installed a", "missing version"),
        ("2026-03-01 10:00:00 conffile", "missing path"),
        ("2026-03-01 10:00:00 conffile /etc/a", "missing decision"),
        (
            "2026-03-01 10:00:00 conffile etc/a keep",
            "bad path \"etc/a\": expected one from / on",
        ),
        (
            "2026-03-01 10:00:00 conffile /etc/a ask",
            "unknown decision \"ask\": expected install or keep",
        ),
    ];
    let log = cases.map(|(line, _)| line).join("\n") + "\n";
    let run = on_input(&["--all-malformed"], log);
    assert_eq!(run.code, Some(3), "nothing of it could be sent");
    assert_eq!(run.books(), (cases.len() as u64, 0, cases.len() as u64));
    let expected: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(at, (_, reason))| format!("line {}: {reason}", at + 1))
        .collect();
    assert_eq!(run.tagged("malformed "), expected);
}

#[test]
fn no_more_than_twenty_malformed_unless_asked() {
    let log = format!("{GOOD}\n{}", "x\n".repeat(1_234));
    let run = on_input(&[], &log);
    assert_eq!(run.books(), (1_235, 1, 1_234));
    let listed = run.tagged("malformed ");
    assert_eq!(listed.len(), 21);
    assert_eq!(
        listed[0],
        "line 2: bad date \"x\": expected a day as YYYY-MM-DD"
    );
    assert!(listed[19].starts_with("line 21: "), "{}", listed[19]);
    assert_eq!(
        listed[20],
        "... and 1,214 more; --all-malformed lists them all"
    );
    let all = on_input(&["--all-malformed"], &log);
    assert_eq!(
        (all.books(), all.tagged("malformed ").len()),
        (run.books(), 1_234)
    );
    let twenty = on_input(&[], format!("{GOOD}\n{}", "x\n".repeat(20)));
    assert_eq!(twenty.tagged("malformed ").len(), 20);
}

#[test]
fn invalid_utf8_is_that_line_s_fault_alone() {
    let run = on_input(
        &[],
        [GOOD.as_bytes(), b"\nab\xff\n", GOOD.as_bytes(), b"\n\xc3\n"].concat(),
    );
    assert_eq!((run.code, run.books()), (Some(0), (4, 2, 2)));
    let expected = [
        "line 2: not utf-8 from byte 3 of the line on",
        "line 4: not utf-8 from byte 1 of the line on",
    ];
    assert_eq!(run.tagged("malformed "), expected);
}

#[test]
fn what_drives_a_terminal_is_escaped() {
    let run = on_input(
        &[],
        format!(
            "{GOOD}\n2026-03-01 10:00:00 \x1b]0;owned\x07\u{202e}\n{}\n",
            "é".repeat(41)
        ),
    );
    let expected = [
        "line 2: unknown action \"\\u{1b}]0;owned\\u{7}\\u{202e}\"".to_owned(),
        format!(
            "line 3: bad date \"{}...\": expected a day as YYYY-MM-DD",
            "é".repeat(40)
        ),
    ];
    assert_eq!(run.tagged("malformed "), expected);
}

#[test]
fn too_long_lines_are_malformed() {
    const LONGEST: usize = 64 * 1024;
    let of_length = |length: usize| {
        let (start, end) = ("2026-03-01 10:00:00 conffile /", " keep");
        format!(
            "{start}{}{end}",
            "x".repeat(length - start.len() - end.len())
        )
    };
    for end in ["\n", "\r\n"] {
        let run = on_input(
            &[],
            [of_length(LONGEST), of_length(LONGEST + 1), GOOD.to_owned()].join(end),
        );
        assert_eq!(run.books(), (3, 2, 1), "{end:?}");
        let bytes = LONGEST + 1 + end.len();
        assert_eq!(
            run.tagged("malformed "),
            [format!(
                "line 2: too long: {bytes} bytes, at most 65536 are read"
            )]
        );
    }
    assert_eq!(
        on_input(&[], of_length(LONGEST)).books(),
        (1, 1, 0),
        "without an end"
    );
    let run = on_input(
        &[],
        format!(
            "{}\n{GOOD}\nbad\n{}",
            "y".repeat(5_000_000),
            "z".repeat(LONGEST + 1)
        ),
    );
    assert_eq!(run.books(), (4, 1, 3));
    let expected = [
        "line 1: too long: 5000001 bytes, at most 65536 are read",
        "line 3: bad date \"bad\": expected a day as YYYY-MM-DD",
        "line 4: too long: 65537 bytes, at most 65536 are read",
    ];
    assert_eq!(run.tagged("malformed "), expected);
}

/// Whatever is done to a log, every line of it is sent or malformed.
#[test]
fn damaged_logs_balance() {
    let log = fs::read(sample()).expect("the sample");
    // A small generator of our own (xorshift): the same damage in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..40 {
        let mut damaged = log.clone();
        for _ in 0..=random(60) {
            let at = random(damaged.len());
            match random(3) {
                0 => damaged[at] = random(256) as u8,
                1 => damaged.truncate(at.max(1)),
                _ => damaged.insert(at, b"\n\r -:"[random(5)]),
            }
        }
        let run = on_input(&[], &damaged);
        let ends = damaged.iter().filter(|byte| **byte == b'\n').count()
            + usize::from(damaged.last() != Some(&b'\n'));
        let (lines, sent, malformed) = run.books();
        assert_eq!(lines, ends as u64);
        assert_eq!(run.code, Some(if sent == 0 { 3 } else { 0 }));
        let listed = run.tagged("malformed ").len() as u64;
        assert_eq!(listed, if malformed > 20 { 21 } else { malformed });
    }
}
