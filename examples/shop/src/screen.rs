//! The screen: lines that stay, and below them a few that are drawn again and again.

use std::io::{self, Write};

use console::{Term, truncate_str};

pub(crate) struct Screen {
    term: Term,
    /// `true` on a terminal. Elsewhere there are only the lines that stay.
    is_live: bool,
    /// The lines that are drawn.
    drawn: usize,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let term = Term::buffered_stdout();
        let is_live = term.is_term();
        Screen {
            term,
            is_live,
            drawn: 0,
        }
    }

    /// Prints a line that stays.
    pub(crate) fn note(&mut self, line: &str) -> io::Result<()> {
        self.clear()?;
        self.term.write_line(line)?;
        self.term.flush()
    }

    /// Draws the lines in place of those that were drawn last.
    pub(crate) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        if !self.is_live {
            return Ok(());
        }
        self.clear()?;
        let width = usize::from(self.term.size().1);
        for line in lines {
            writeln!(self.term, "{}", truncate_str(line, width, "…"))?;
        }
        self.drawn = lines.len();
        self.term.flush()
    }

    /// Takes the drawn lines away.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.term.clear_last_lines(std::mem::take(&mut self.drawn))
    }
}
