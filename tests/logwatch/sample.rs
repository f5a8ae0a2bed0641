//! The report of a log.

use crate::program::{GOOD, Run, feed, on_file, on_input, program, sample};
use std::fs;

#[test]
fn the_sample_has_its_totals() {
    let run = on_file(&[], &sample());
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert_eq!(run.books(), (60, 50, 10));
    let size = fs::metadata(sample()).expect("the sample").len();
    assert_eq!(size, 3_649);
    assert!(
        run.out.contains("  bytes      3,649  (3.56 KiB)\n"),
        "{}",
        run.out
    );
    assert!(
        run.out
            .contains("  sums       50 sent + 10 malformed = 60 of 60 lines\n"),
        "{}",
        run.out
    );
    assert!(
        run.out
            .contains("  span       2026-02-26 08:14:02 to 2026-03-04 17:05:45 (6 d 8 h 51 min)\n"),
        "{}",
        run.out
    );
    let actions = "startup 7, install 3, upgrade 1, configure 3, trigproc 2, status 28, conffile 3, remove 1, purge 1, disappear 1";
    assert_eq!(run.section("Actions").join(", "), actions);
    let states = "not-installed 1, config-files 2, half-installed 4, unpacked 6, half-configured 7, triggers-awaited 1, \
                  triggers-pending 1, installed 6";
    assert_eq!(run.section("States set").join(", "), states);
    assert_eq!(
        run.section("Configuration files").join(", "),
        "install 2, keep 1"
    );
    assert_eq!(
        run.section("Events a day").join(", "),
        "2026-02-26 17, 2026-02-28 14, 2026-03-01 10, 2026-03-04 9"
    );
}

#[test]
fn sample_receivers_and_their_calls() {
    let mut rows = on_file(&[], &sample()).section("Receivers");
    assert_eq!(rows.remove(0), "signal receiver sender calls");
    rows.sort();
    let expected = [
        "LOG_LINE alert_removal \"purge\" 1",
        "LOG_LINE alert_removal \"remove\" 1",
        "LOG_LINE count_actions any 50",
        "LOG_LINE count_days any 50",
        "LOG_LINE count_decisions \"conffile\" 3",
        "LOG_LINE count_states \"status\" 28",
        "LOG_LINE keep_span any 50",
        "MALFORMED list_malformed any 10",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn sample_alerts_and_malformed_lines() {
    let run = on_file(&[], &sample());
    let alerts = [
        "2026-03-01 06:30:11  remove  nano:amd64 7.2-1+deb12u1",
        "2026-03-04 17:02:30  purge   nano:amd64 7.2-1+deb12u1",
    ];
    assert_eq!(run.tagged("alert "), alerts);
    let malformed = [
        "line 18: missing version",
        "line 19: bad date \"2026-02-30\": expected a day as YYYY-MM-DD",
        "line 34: bad time \"24:00:00\": expected HH:MM:SS",
        "line 39: the line is empty",
        "line 40: unknown action \"deconfigure\"",
        "line 47: unknown state \"config-file\"",
        "line 57: bad package \"fonts/old:all\": expected name or name:architecture",
        "line 58: unexpected \"now\" after the last field",
        "line 59: unknown startup \"archives\" \"upgrade\"",
        "line 60: bad time \"17:05:4\": expected HH:MM:SS",
    ];
    assert_eq!(run.tagged("malformed "), malformed);
}

#[test]
fn senders_that_never_sent_are_named() {
    let run = on_input(&[], GOOD);
    assert_eq!(
        run.section("Receivers").last().map(String::as_str),
        Some("nothing was sent from: \"conffile\", \"purge\", \"remove\"")
    );
    assert!(
        !on_file(&[], &sample())
            .out
            .contains("nothing was sent from")
    );
}

#[test]
fn standard_input_reads_as_the_file() {
    let log = fs::read(sample()).expect("the sample");
    assert_eq!(
        on_input(&[], &log).findings(),
        on_file(&[], &sample()).findings()
    );
}

#[test]
fn ends_of_lines() {
    let log = fs::read_to_string(sample()).expect("the sample");
    let expected = on_file(&[], &sample());
    let with_crlf = on_input(&[], log.replace('\n', "\r\n"));
    assert_eq!(with_crlf.findings(), expected.findings());
    let without_last_end = on_input(&[], log.trim_end());
    assert_eq!(without_last_end.findings(), expected.findings());
    assert_eq!(on_input(&[], format!("{GOOD}\r")).books(), (1, 1, 0));
    assert_eq!(on_input(&[], format!("{GOOD}\r\r\n")).books(), (1, 0, 1));
    assert_eq!(on_input(&[], format!("{GOOD}\n\n\n")).books(), (3, 1, 2));
}

#[test]
fn the_last_31_days_unless_asked() {
    let log: String = (1..=9)
        .flat_map(|month| {
            (1..=4).map(move |day| {
                format!("2026-{month:02}-{day:02} 10:00:00 startup archives unpack\n")
            })
        })
        .collect();
    let days = on_input(&[], &log).section("Events a day");
    assert_eq!(
        days[0],
        "5 earlier days with 5 events; --all-days draws them too"
    );
    assert_eq!(
        (days.len(), days[1].as_str(), days[31].as_str()),
        (32, "2026-02-02 1", "2026-09-04 1")
    );
    let all = on_input(&["--all-days"], &log).section("Events a day");
    assert_eq!((all.len(), all[0].as_str()), (36, "2026-01-01 1"));
}

#[test]
fn span_does_not_need_an_ordered_log() {
    let run = on_input(
        &[],
        "2024-03-01 00:00:30 startup archives unpack\n2023-12-31 23:59:30 startup archives unpack\n",
    );
    assert!(
        run.out
            .contains("  span       2023-12-31 23:59:30 to 2024-03-01 00:00:30 (60 d 0 h 1 min)\n"),
        "{}",
        run.out
    );
}

#[test]
fn charts_fit_the_screen() {
    let log = fs::read(sample()).expect("the sample");
    for columns in [30, 50, 80, 120] {
        let run = feed(program().env("COLUMNS", columns.to_string()).arg("-"), &log);
        let rows = run
            .out
            .lines()
            .filter(|line| line.contains(['█', '▏', '▎', '▍', '▌', '▋', '▊', '▉']));
        let widths: Vec<_> = rows.map(|line| line.chars().count()).collect();
        assert_eq!(
            widths.iter().max(),
            Some(&columns),
            "the greatest count fills the screen"
        );
    }
    let ascii = feed(program().env("LC_ALL", "C").arg("-"), &log);
    assert!(ascii.out.is_ascii(), "{}", ascii.out);
    assert_eq!(
        ascii
            .out
            .lines()
            .find(|line| line.starts_with("  status"))
            .map(str::len),
        Some(80)
    );
    let narrow = feed(program().env("COLUMNS", "1").arg("-"), &log);
    assert_eq!(narrow.books(), (60, 50, 10));
}

#[test]
fn only_counts_of_zero_have_no_bar() {
    let log = format!(
        "{}{GOOD}\n",
        "2026-03-01 10:00:00 install a <none> 1\n".repeat(9_999)
    );
    for (locale, least) in [("C.UTF-8", "▏"), ("C", "#")] {
        let run = feed(program().env("LC_ALL", locale).arg("-"), log.as_bytes());
        let row = |label| run.out.lines().find(|line| line.starts_with(label));
        assert_eq!(
            row("  status"),
            Some(format!("  status         1  {least}").as_str())
        );
        assert_eq!(row("  purge"), Some("  purge          0"));
    }
}

/// The log of the machine that the test runs on, if it keeps one.
#[test]
fn the_default_log_is_read_to_its_end() {
    let Ok(log) = fs::read("/var/log/dpkg.log") else {
        return;
    };
    if log.is_empty() {
        return;
    }
    let run = Run::new(program().output().expect("the program starts"));
    let (lines, _, _) = run.books();
    // dpkg may write to it between the two reads.
    assert!(
        lines
            >= log
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .count() as u64
    );
    assert!(
        run.out.contains("Read \"/var/log/dpkg.log\"\n"),
        "{}",
        run.out
    );
}
