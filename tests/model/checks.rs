//! The checks of the model: the permitted observations of lists, states and the end.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::naive::{Entry, Naive, Origin};
use super::place::sender_of;
use super::response::Response;
use super::rules::{Listed, Sent};
use super::seen::{Row, Seen, State};
use super::{From, LISTENED, UIDS};

impl<A: Response> Naive<'_, A> {
    pub(super) fn check_rows(&mut self, seen: Seen) {
        let Seen::Rows(rows) = seen else {
            self.fail(&format!(
                "the signal: {seen:?}\n the model: its list of connections"
            ));
        };
        for row in rows.iter().filter(|row| !row.live) {
            let dead = |entry: &Entry| entry.ordinal == row.ordinal && !self.is_alive(entry);
            let lawful = self.husks.iter().any(|(husk, _)| *husk == row.ordinal)
                || self.entries.iter().any(dead);
            if !lawful {
                self.fail(&format!("{row:?} is neither dead nor spent"));
            }
        }
        if !rows.is_sorted_by_key(|row| Reverse(row.priority)) {
            self.fail(&format!("the connections are out of order: {rows:#?}"));
        }
        let live: Vec<Row> = rows.into_iter().filter(|row| row.live).collect();
        let mut expected: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| self.is_alive(entry))
            .collect();
        expected.sort_by_key(|entry| Reverse(entry.blank.priority));
        let same = live.len() == expected.len()
            && live
                .iter()
                .zip(&expected)
                .all(|(row, entry)| describes(row, entry));
        if !same {
            let expected: Vec<usize> = expected.iter().map(|entry| entry.ordinal).collect();
            self.fail(&format!(
                "the signal's connections: {live:#?}\n the model's: {expected:?}"
            ));
        }
    }

    pub(super) fn check_unmatched(&mut self, seen: Seen) {
        let Seen::Unmatched(unmatched) = seen else {
            self.fail(&format!(
                "the signal: {seen:?}\n the model: its unmatched senders"
            ));
        };
        let mut sorted = unmatched.clone();
        sorted.sort_unstable();
        sorted.dedup();
        // The model does not know the numbers of identities, so it counts them.
        let mut told: HashSet<&str> = unmatched.iter().map(String::as_str).collect();
        told.retain(|sender| !sender.starts_with("identity "));
        let identities = unmatched.len() - told.len();
        let (mut least, mut most) = (0, 0);
        let listed = self.all_listed();
        let mut lawful = true;
        for (origin, sent) in &self.senders.0 {
            let listed = listed.get(origin).copied().unwrap_or(Listed::None);
            let (must, may) = match (listed, sent) {
                (Listed::None, _) | (_, Sent::Yes) => (false, false),
                (Listed::Live, Sent::No) => (true, true),
                _ => (false, true),
            };
            match words(*origin) {
                Some(words) => {
                    let is_told = told.remove(&*words);
                    lawful &= (!must || is_told) && (may || !is_told);
                }
                None => {
                    least += usize::from(must);
                    most += usize::from(may);
                }
            }
        }
        lawful &= (least..=most).contains(&identities);
        if sorted != unmatched || !told.is_empty() || !lawful {
            self.fail(&format!("unlawful unmatched senders: {unmatched:?}"));
        }
    }

    /// Returns the result of `listed` for every sender for which it is not `None`.
    fn all_listed(&self) -> HashMap<Origin, Listed> {
        let husks = self.husks.iter().filter_map(|(_, of)| *of);
        let mut listed: HashMap<_, _> = husks.map(|of| (of, Listed::Remains)).collect();
        for entry in &self.entries {
            let Some(origin) = entry.blank.sender else {
                continue;
            };
            let listed = listed.entry(origin).or_insert(Listed::Remains);
            if self.is_alive(entry) {
                *listed = Listed::Live;
            }
        }
        listed
    }

    /// Checks the state that must hold after every operation.
    pub(super) fn check_state(&mut self) {
        let mut seen = self.next();
        if matches!(seen, Seen::Rows(_)) {
            self.check_rows(seen);
            let unmatched = self.next();
            self.check_unmatched(unmatched);
            let listeners = LISTENED.map(|from| self.has_listeners(from) == Some(true));
            self.expect(Seen::Listeners(listeners.to_vec()));
            seen = self.next();
        }
        if matches!(seen, Seen::Handles(_)) {
            let handles = self.handles.iter().flatten();
            let connected = handles.map(|&ordinal| self.is_connected(ordinal));
            let connected = Seen::Handles(connected.collect());
            if seen != connected {
                self.fail(&format!("the signal: {seen:?}\n the model: {connected:?}"));
            }
            seen = self.next();
        }
        let Seen::State(state) = seen else {
            self.fail(&format!("the signal: {seen:?}\n the model: nothing more"));
        };
        let State {
            len,
            purged,
            dropped,
            targets,
            pinned,
        } = state;
        let live = self
            .entries
            .iter()
            .filter(|entry| self.is_alive(entry))
            .count();
        let all = self.entries.len() as u64 + self.purged;
        if len < live || purged < self.purged || len as u64 + purged != all {
            self.fail(&format!(
                "the signal holds {len} and purged {purged}; the model has {live} live, {} dead, and purged {}",
                self.entries.len() - live,
                self.purged
            ));
        }
        if targets.iter().ne(&self.died) {
            self.fail(&format!(
                "targets {targets:?} have died; the model's: {:?}",
                self.died
            ));
        }
        self.died.clear();
        for token in dropped {
            if self.doomed.remove(&token) {
                continue;
            }
            let held = self
                .entries
                .iter()
                .position(|entry| entry.blank.token == Some(token));
            match held {
                Some(at) if !self.is_alive(&self.entries[at]) => {
                    self.entries[at].blank.token = None
                }
                Some(_) => self.fail(&format!(
                    "closure {token} was destroyed while it was connected"
                )),
                None => self.fail(&format!(
                    "closure {token} was destroyed twice, or before its time"
                )),
            }
        }
        if !pinned && !self.doomed.is_empty() {
            self.fail(&format!("closures {:?} were not destroyed", self.doomed));
        }
    }

    /// Checks that the end of the signal has destroyed all that it must.
    pub(super) fn check_end(&mut self) {
        let tokens = self.entries.iter().filter_map(|entry| entry.blank.token);
        let mut dropped: Vec<usize> = tokens.collect();
        dropped.sort_unstable();
        self.expect(Seen::Ended { dropped });
    }
}

fn describes(row: &Row, entry: &Entry) -> bool {
    let Entry { ordinal, blank } = entry;
    let sender = match (&row.sender, blank.sender) {
        (None, None) => true,
        (Some(told), Some(Origin::Name(name))) => *told == format!("{name:?}"),
        (Some(told), Some(Origin::Key(_))) => told.starts_with("key "),
        (Some(told), Some(Origin::Identity(_))) => told.starts_with("identity "),
        (Some(told), Some(Origin::Type(_))) => told.contains("Kitchen") || told == "str",
        _ => false,
    };
    sender
        && row.ordinal == *ordinal
        && row.name.is_some() == blank.named
        && row.uid.as_deref() == blank.uid.map(|uid| UIDS[usize::from(uid) % UIDS.len()])
        && row.priority == blank.priority
        && row.once == blank.once
        && row.weak == blank.target.is_some()
}

/// Returns the sender in words, unless it is an identity.
fn words(origin: Origin) -> Option<String> {
    Some(match origin {
        Origin::Name(name) => format!("{name:?}"),
        Origin::Type(number) => sender_of(From::Type(number), None).to_string(),
        Origin::Key(number) => sender_of(From::Key(number), None).to_string(),
        Origin::Identity(_) => return None,
    })
}
