//! The log, read on a thread of its own: a read that waits for more input must not keep Ctrl-C
//! waiting.

use crate::End;
use crate::event::Record;
use crate::lines::{self, Line, Lines};
use crate::parse::Reason;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::thread;
use tokio::sync::mpsc;

const DEFAULT_LOG: &str = "/var/log/dpkg.log";
/// Lines that are read ahead.
const AHEAD: usize = 1_024;

/// An item of the reading thread, with the number of bytes read so far.
pub(crate) enum Item {
    Record {
        record: Record,
        bytes: u64,
    },
    Malformed {
        reason: String,
        bytes: u64,
    },
    /// The last one, if it is one.
    Failed(io::Error),
}

pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) size: Option<u64>,
    reader: BufReader<Box<dyn Read + Send>>,
}

impl Input {
    pub(crate) fn open(file: Option<&Path>) -> Result<Self, End> {
        let path = file.unwrap_or(Path::new(DEFAULT_LOG));
        let (name, size, source): (_, _, Box<dyn Read + Send>) = if path.as_os_str() == "-" {
            ("standard input".to_owned(), None, Box::new(io::stdin()))
        } else {
            let cannot = |error| End::Input(format!("cannot open {path:?}: {error}"));
            let file = File::open(path).map_err(cannot)?;
            let metadata = file.metadata().map_err(cannot)?;
            if metadata.is_dir() {
                return Err(End::Input(format!(
                    "cannot read {path:?}: it is a directory, name a file in it"
                )));
            }
            // A size of 0 has no meaning: files under /proc have it.
            let size = Some(metadata.len()).filter(|size| metadata.is_file() && *size > 0);
            (format!("{path:?}"), size, Box::new(file))
        };
        let mut reader = BufReader::with_capacity(64 * 1024, source);
        let start = reader
            .fill_buf()
            .map_err(|error| End::Input(format!("cannot read {name}: {error}")))?;
        if start.starts_with(b"\x1f\x8b") {
            return Err(End::Input(format!(
                "cannot read {name}: it is gzip-compressed, pipe it through zcat into log_pipeline -"
            )));
        }
        Ok(Self { name, size, reader })
    }

    /// Starts to read. The thread ends with the input, or soon after nobody takes its items any
    /// more.
    pub(crate) fn start(self) -> io::Result<mpsc::Receiver<Item>> {
        let (items, taken) = mpsc::channel(AHEAD);
        thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || {
                if let Err(error) = read(self.reader, &items) {
                    let _ = items.blocking_send(Item::Failed(error));
                }
            })?;
        Ok(taken)
    }
}

fn read(reader: BufReader<impl Read>, items: &mpsc::Sender<Item>) -> io::Result<()> {
    let mut lines = Lines::new(reader);
    loop {
        let number = lines.count + 1;
        let parsed = match lines.next()? {
            None => return Ok(()),
            Some(Line::Whole(line)) => Record::parse(number, line),
            Some(Line::TooLong { bytes }) => Err(Reason::TooLong {
                bytes,
                limit: lines::LONGEST,
            }),
        };
        // In words, for the reason borrows the line.
        let parsed = parsed.map_err(|reason| reason.to_string());
        let bytes = lines.bytes;
        let item = match parsed {
            Ok(record) => Item::Record { record, bytes },
            Err(reason) => Item::Malformed { reason, bytes },
        };
        if items.blocking_send(item).is_err() {
            return Ok(());
        }
    }
}
