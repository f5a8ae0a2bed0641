//! The terminal, or what stands in for it: its width, color, bars, and the progress bar.

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::env;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

static PROGRESS: OnceLock<ProgressBar> = OnceLock::new();
static LINES_PRINTED: AtomicBool = AtomicBool::new(false);

/// Decides on color for everything that `console` styles from here on.
pub(crate) fn set_up() {
    let wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    console::set_colors_enabled(
        wanted && io::stdout().is_terminal() && env::var_os("TERM").is_some_and(|t| t != "dumb"),
    );
}

/// Columns of standard output: the terminal's, else `COLUMNS`, else 80.
pub(crate) fn width() -> usize {
    let of_terminal = Term::stdout()
        .size_checked()
        .map(|(_rows, columns)| usize::from(columns));
    let of_environment = || env::var("COLUMNS").ok()?.parse().ok();
    of_terminal
        .or_else(of_environment)
        .filter(|width| *width > 0)
        .unwrap_or(80)
        .min(200)
}

/// Starts the progress bar, on standard error and only if that is a terminal. An input of unknown
/// size gets a spinner.
pub(crate) fn start_progress(size: Option<u64>) -> &'static ProgressBar {
    PROGRESS.get_or_init(|| {
        if !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let template = match size {
            Some(_) => {
                "{bar:30} {percent:>3} %  {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"
            }
            None => "{spinner} {bytes}, {bytes_per_sec}",
        };
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let style = if utf8() {
            style
        } else {
            style.progress_chars("#- ").tick_chars("|/-\\ ")
        };
        ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr()).with_style(style)
    })
}

/// Takes the progress bar away. No-op if there is none.
pub(crate) fn end_progress() {
    if let Some(bar) = PROGRESS.get() {
        bar.finish_and_clear();
    }
}

/// Prints one line while the input is still being read.
pub(crate) fn line(text: fmt::Arguments<'_>) -> io::Result<()> {
    LINES_PRINTED.store(true, Relaxed);
    let print = || writeln!(io::stdout().lock(), "{text}");
    match PROGRESS.get() {
        // On a terminal the bar may stand where the line is to go.
        Some(bar) if io::stdout().is_terminal() => bar.suspend(print),
        _ => print(),
    }
}

/// Returns `true` if [`line`] has printed a line.
pub(crate) fn lines_printed() -> bool {
    LINES_PRINTED.load(Relaxed)
}

/// Returns `true` if the locale takes more than ASCII.
fn utf8() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| env::var(name).ok().filter(|v| !v.is_empty()));
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Rows of a label, a count and a bar, as wide as the screen. The greatest count fills it; none but
/// 0 is without a bar.
pub(crate) fn chart<L: fmt::Display>(out: &mut dyn Write, rows: &[(L, u64)]) -> io::Result<()> {
    let rows: Vec<_> = rows
        .iter()
        .map(|(label, count)| (label.to_string(), *count, grouped(*count)))
        .collect();
    let label_width = rows
        .iter()
        .map(|(label, ..)| label.len())
        .max()
        .unwrap_or(0);
    let count_width = rows
        .iter()
        .map(|(.., shown)| shown.len())
        .max()
        .unwrap_or(0);
    let greatest = rows.iter().map(|(_, count, _)| *count).max().unwrap_or(0);
    let space = width()
        .saturating_sub("  ".len() * 3 + label_width + count_width)
        .max(1);
    let utf8 = utf8();
    for (label, count, shown) in &rows {
        let bar = if utf8 {
            eighths(*count, greatest, space)
        } else {
            hashes(*count, greatest, space)
        };
        let text = format!(
            "  {label:<label_width$}  {shown:>count_width$}  {}",
            console::style(bar).cyan()
        );
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

fn eighths(count: u64, greatest: u64, space: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let length = scaled(count, greatest, space * PARTS.len());
    "█".repeat(length / PARTS.len()) + PARTS[length % PARTS.len()]
}

fn hashes(count: u64, greatest: u64, space: usize) -> String {
    "#".repeat(scaled(count, greatest, space))
}

/// `count` parts of `greatest`, out of `space`: 0 only for 0.
fn scaled(count: u64, greatest: u64, space: usize) -> usize {
    if count == 0 {
        return 0;
    }
    let length = u128::from(count) * space as u128 / u128::from(greatest.max(count));
    usize::try_from(length).unwrap_or(space).max(1)
}

/// 1234567 as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}
