//! Which members a backup must have, by the list of its files.
//!
//! Names are kept as hashes of 128 bits, keyed at random: a cluster may have millions of files. Where
//! names have to be told, the list is read a second time.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::Corrupt;
use crate::documents::{FileEntry, Visit};

static HASHERS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);

fn hash(name: &str) -> u128 {
    let [high, low] = HASHERS.each_ref().map(|hasher| u128::from(hasher.hash_one(name)));
    high << 64 | low
}

/// What the list says of a name.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each says a thing of its own")]
pub(super) struct Entry {
    pub(super) listed: bool,
    pub(super) incremented: bool,
    pub(super) skipped: bool,
    /// Whole seconds, as in the tar.
    pub(super) mtime: i64,
    /// The part that it is to be in, from 1; 0 where none is named.
    part: u16,
    seen: bool,
}

/// The list of a backup's files.
#[derive(Debug, Default)]
pub(super) struct List {
    entries: HashMap<u128, Entry>,
    parts: Vec<String>,
}

impl Visit for List {
    fn file(&mut self, name: String, file: FileEntry) -> Result<(), Corrupt> {
        let entry = self.entries.entry(hash(&name)).or_default();
        if entry.listed {
            return Err(Corrupt::new(format!("{name:?} is listed twice")));
        }
        entry.listed = true;
        (entry.incremented, entry.skipped) = (file.is_incremented, file.is_skipped);
        entry.mtime = file.mtime.timestamp();
        Ok(())
    }

    fn member(&mut self, part: &str, name: String) -> Result<(), Corrupt> {
        if self.parts.last().is_none_or(|last| last != part) {
            self.parts.push(part.to_owned());
        }
        let number = u16::try_from(self.parts.len()).map_err(|_| Corrupt::new("there are more than 65535 parts"))?;
        self.entries.entry(hash(&name)).or_default().part = number;
        Ok(())
    }
}

impl List {
    /// Takes note of a member that was found in a part. What is wrong about that, otherwise.
    pub(super) fn see(&mut self, part: &str, name: &str) -> Result<Entry, &'static str> {
        let Some(entry) = self.entries.get_mut(&hash(name)) else { return Err("is in no list") };
        if std::mem::replace(&mut entry.seen, true) {
            return Err("is there twice");
        }
        let named = usize::from(entry.part).checked_sub(1).and_then(|at| self.parts.get(at));
        if named.is_some_and(|named| named != part) {
            return Err("is listed in another part");
        }
        Ok(*entry)
    }

    /// Whether a file of this name is listed, here or in the parent.
    pub(super) fn lists(&self, name: &str) -> bool {
        self.entries.get(&hash(name)).is_some_and(|entry| entry.listed)
    }

    /// The parts that the list names.
    pub(super) fn parts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(String::as_str)
    }

    fn is_unseen(entry: &Entry) -> bool {
        !entry.seen && !entry.skipped
    }

    /// How many members were to be found and weren't.
    pub(super) fn unseen(&self) -> usize {
        self.entries.values().filter(|entry| Self::is_unseen(entry)).count()
    }

    pub(super) fn has_skipped(&self) -> bool {
        self.entries.values().any(|entry| entry.skipped)
    }
}

/// Finds some names at a second reading.
pub(super) struct Names {
    wanted: Box<dyn Fn(&str) -> bool + Send>,
    most: usize,
    pub(super) found: Vec<String>,
}

impl Names {
    /// Names that were to be found and weren't.
    pub(super) fn unseen(files: &Arc<Mutex<List>>, most: usize) -> Self {
        let files = Arc::clone(files);
        let wanted = move |name: &str| {
            let files = files.lock().unwrap_or_else(PoisonError::into_inner);
            files.entries.get(&hash(name)).is_some_and(List::is_unseen)
        };
        Self { wanted: Box::new(wanted), most, found: Vec::new() }
    }

    /// Names that are said to be as in the parent, and aren't there.
    pub(super) fn not_in(files: &Arc<Mutex<List>>, parent: List, most: usize) -> Self {
        let files = Arc::clone(files);
        let wanted = move |name: &str| {
            let files = files.lock().unwrap_or_else(PoisonError::into_inner);
            let skipped = files.entries.get(&hash(name)).is_some_and(|entry| entry.skipped);
            skipped && !parent.entries.get(&hash(name)).is_some_and(|entry| entry.listed)
        };
        Self { wanted: Box::new(wanted), most, found: Vec::new() }
    }

    fn look(&mut self, name: String) {
        if self.found.len() < self.most && (self.wanted)(&name) && !self.found.contains(&name) {
            self.found.push(name);
        }
    }
}

impl Visit for Names {
    fn file(&mut self, name: String, _: FileEntry) -> Result<(), Corrupt> {
        self.look(name);
        Ok(())
    }

    fn member(&mut self, _: &str, name: String) -> Result<(), Corrupt> {
        self.look(name);
        Ok(())
    }
}
