//! The memory of a receiver.

use std::collections::BTreeMap;

use crate::measure::Effort;
use crate::results::Row;
use crate::rival::{self, Rival, Visit};

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let mut memory = Memory {
        receivers: effort.in_memory,
        rows: Vec::new(),
    };
    rival::each(&mut memory);
    memory.rows
}

struct Memory {
    receivers: u64,
    rows: Vec<Row>,
}

impl Visit for Memory {
    fn visit<R: Rival>(&mut self) {
        let receivers = R::MOST.map_or(self.receivers, |(most, _)| most.min(self.receivers));
        let before = in_use();
        let (rival, held) = R::with(receivers);
        let after = in_use();
        // The handles are with the caller, who needs a place for them; some need none.
        let handles = size_of::<R::Held>() * held.capacity();
        let row = match (before, after) {
            (Some(before), Some(after)) => {
                let bytes = after.saturating_sub(before + handles) as f64 / receivers as f64;
                let values = BTreeMap::from([
                    ("bytes".into(), bytes),
                    ("handle".into(), size_of::<R::Held>() as f64),
                ]);
                Row::new("memory", R::NAME, receivers, values)
            }
            _ => Row::without(
                "memory",
                R::NAME,
                receivers,
                "this C library does not say what is in use",
            ),
        };
        self.rows.push(row);
        drop((rival, held));
    }
}

/// Returns the bytes that the C library has given out, with those that it adds to each piece.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn in_use() -> Option<usize> {
    // SAFETY: it takes nothing, and may be called whenever.
    let info = unsafe { libc::mallinfo2() };
    Some(info.uordblks + info.hblkhd)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn in_use() -> Option<usize> {
    None
}
