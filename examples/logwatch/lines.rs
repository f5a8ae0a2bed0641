//! Lines of any input, in memory that neither its size nor its longest line can grow.

use std::io::{self, BufRead, Read};

/// The longest line that is read whole, in bytes, without its end.
pub(crate) const LONGEST: usize = 64 * 1024;

pub(crate) enum Line<'a> {
    /// Without its end, `\n` or `\r\n`.
    Whole(&'a [u8]),
    /// Skipped; `bytes` counts its end too.
    TooLong { bytes: u64 },
}

pub(crate) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// Lines read.
    pub(crate) count: u64,
    /// Bytes read, ends of lines included.
    pub(crate) bytes: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            count: 0,
            bytes: 0,
        }
    }

    /// The next line; `None` at the end of the input. A last line needs no end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        const WITH_END: usize = LONGEST + b"\r\n".len();
        self.buffer.clear();
        let mut read = self
            .input
            .by_ref()
            .take(WITH_END as u64)
            .read_until(b'\n', &mut self.buffer)? as u64;
        if read == 0 {
            return Ok(None);
        }
        let ended = pop(&mut self.buffer, b'\n');
        pop(&mut self.buffer, b'\r');
        let too_long = self.buffer.len() > LONGEST;
        if too_long && !ended {
            read += self.input.skip_until(b'\n')? as u64;
        }
        self.count += 1;
        self.bytes += read;
        Ok(Some(if too_long {
            Line::TooLong { bytes: read }
        } else {
            Line::Whole(&self.buffer)
        }))
    }
}

/// Removes the last byte if it is `byte`; returns `true` if it was.
fn pop(buffer: &mut Vec<u8>, byte: u8) -> bool {
    let is_last = buffer.last() == Some(&byte);
    if is_last {
        buffer.pop();
    }
    is_last
}
