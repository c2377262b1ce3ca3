//! What was read before. It is kept beside the tool and not in the archive: reading needs no right to
//! write there, and an archive can't say of itself that it was verified.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::digest::Sum;
use crate::objects::{Facts, KeyMap, Mark};
use crate::store::Meta;

/// An object as it was when it was read. There may be a million of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What the store said of it.
    mark: Mark,
    /// The sum of its bytes.
    pub sha256: Sum,
    /// When it was read.
    pub at: DateTime<Utc>,
}

impl Seen {
    pub(super) fn now(facts: &Facts, sha256: Sum, at: DateTime<Utc>) -> Self {
        Self { mark: facts.mark, sha256, at }
    }

    /// Whether the object is, by what the store says, still the same.
    pub(super) fn is_of(&self, facts: &Facts) -> bool {
        self.mark == facts.mark
    }

    pub(super) fn age(&self, now: DateTime<Utc>) -> Duration {
        (now - self.at).to_std().unwrap_or_default()
    }
}

/// Objects that were sound when they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered(KeyMap<Seen>);

#[derive(Serialize, Deserialize)]
struct Line {
    object: String,
    #[serde(flatten)]
    seen: Seen,
}

impl Remembered {
    pub(super) fn get(&self, key: &str) -> Option<&Seen> {
        self.0.get(key)
    }

    pub(super) fn insert(&mut self, key: &str, seen: Seen) {
        self.0.insert(key, seen);
    }

    /// Takes what was read for so long ago that it is read again. What it was stays known: an object
    /// that was replaced doesn't become sound by being looked at twice.
    pub(super) fn doubt(&mut self, key: &str) {
        if let Some(seen) = self.0.get_mut(key) {
            seen.at = DateTime::UNIX_EPOCH;
        }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(keep);
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(key, _)| key)
    }

    /// Since when all of these are known to be sound; `None` unless each was when it was read, and is as
    /// it was.
    pub fn since(&self, objects: &[Meta]) -> Option<DateTime<Utc>> {
        let read = objects.iter().map(|meta| {
            let seen = self.get(&meta.key).filter(|seen| seen.mark == Mark::of(meta) && seen.at > DateTime::UNIX_EPOCH);
            seen.map(|seen| seen.at)
        });
        read.min().flatten()
    }

    /// The file in which what was read of an archive is remembered, below the folder of a user's state: one for
    /// each place.
    pub fn file(place: &str) -> PathBuf {
        let name = Sum::of(place.as_bytes()).to_string();
        PathBuf::from(format!("verified/{}.jsonl", &name[..16]))
    }

    /// How many objects.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was ever read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads what [`Self::write`] wrote. A line that can't be read is forgotten: its object is read again.
    pub fn read(source: impl BufRead) -> io::Result<Self> {
        let mut seen = KeyMap::default();
        for line in source.lines() {
            if let Ok(Line { object, seen: was }) = serde_json::from_str(&line?) {
                seen.insert(&object, was);
            }
        }
        Ok(Self(seen))
    }

    /// Writes a line for each object.
    pub fn write(&self, mut sink: impl Write) -> io::Result<()> {
        for (object, seen) in self.0.iter() {
            serde_json::to_writer(&mut sink, &Line { object, seen: seen.clone() })?;
            sink.write_all(b"\n")?;
        }
        sink.flush()
    }
}
