//! All objects below an archive's prefix: of each what decides, in 32 bytes besides its name, for there
//! may be a million.

mod keys;
mod map;

use chrono::{DateTime, Utc};
use flotilla::Result;
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::digest::Sum;
use crate::names::{self, BackupName, DumpName, Object};
use crate::store::{Entry, Listing, Meta};
use crate::wal::SegmentSize;

pub(crate) use keys::Keys;
pub use map::KeyMap;

/// What tells one state of an object from another: the store's own mark with size and time, summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark(u64);

impl Mark {
    /// The mark of an object as the store describes it.
    pub(crate) fn of(meta: &Meta) -> Self {
        let text = format!("{}\0{}\0{}", meta.etag, meta.size, meta.modified.timestamp_nanos_opt().unwrap_or_default());
        let sum = Sum::of(text.as_bytes()).0;
        Self(sum.iter().take(8).fold(0, |mark, byte| mark << 8 | u64::from(*byte)))
    }
}

/// What a listing says of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Its size in bytes.
    pub(crate) size: u64,
    /// When it was last written.
    pub(crate) modified: DateTime<Utc>,
    /// Changes whenever the object does.
    pub(crate) mark: Mark,
}

impl Facts {
    pub(crate) fn of(meta: &Meta) -> Self {
        Self { size: meta.size, modified: meta.modified, mark: Mark::of(meta) }
    }
}

/// All objects, from one listing.
pub(crate) struct Objects {
    all: KeyMap<Facts>,
    size: SegmentSize,
}

impl Objects {
    pub(crate) async fn list(archive: &Archive) -> Result<Self> {
        Self::list_below(archive, &[""]).await
    }

    /// Those of one backup but for its sentinel, and the sums of its parts.
    pub(crate) async fn of_one(archive: &Archive, name: &BackupName) -> Result<Self> {
        Self::list_below(archive, &[&format!("{}{name}/", names::BACKUPS), &sums_of_parts(name)]).await
    }

    async fn list_below(archive: &Archive, prefixes: &[&str]) -> Result<Self> {
        let mut all = KeyMap::default();
        for prefix in prefixes {
            let mut entries = archive.store().list(Listing::of(*prefix));
            while let Some(entry) = entries.try_next().await? {
                if let Entry::Object(meta) = entry {
                    all.insert(&meta.key, Facts::of(&meta));
                }
            }
        }
        Ok(Self { all, size: SegmentSize::DEFAULT })
    }

    /// The same, read as names of segments of this size.
    pub(crate) fn sized(self, size: SegmentSize) -> Self {
        Self { size, ..self }
    }

    /// What the object of a name is.
    pub(crate) fn of(&self, key: &str) -> Object {
        Object::of(key, self.size)
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Facts> {
        self.all.get(key)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.all.contains_key(key)
    }

    /// All, in the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (String, &Facts)> {
        self.all.iter()
    }

    /// Those whose names begin so.
    pub(crate) fn below<'o>(&'o self, prefix: &str) -> impl Iterator<Item = (String, &'o Facts)> + use<'o> {
        self.all.below(prefix)
    }

    /// What the layout names of a backup, without its sentinel. What else lies in its folder isn't its.
    pub(crate) fn of_backup(&self, name: &BackupName) -> impl Iterator<Item = (String, &Facts)> {
        let inside = self.below(&format!("{}{name}/", names::BACKUPS));
        inside.filter(|(key, _)| self.of(key).backup().is_some())
    }

    /// The sums of a backup's parts. A part whose sums are there was written.
    pub(crate) fn parts_sums(&self, name: &BackupName) -> impl Iterator<Item = (String, &Facts)> {
        self.below(&sums_of_parts(name))
    }

    /// Everything of a logical dump.
    pub(crate) fn of_dump(&self, name: &DumpName) -> impl Iterator<Item = (String, &Facts)> {
        self.below(&name.prefix())
    }

    /// Everything of logical dumps, each with the dump that it is of.
    pub(crate) fn of_dumps(&self) -> impl Iterator<Item = (DumpName, &Facts)> {
        let inside = self.below(&DumpName::folder());
        inside.filter_map(|(key, facts)| DumpName::of_key(&key).map(|name| (name, facts)))
    }
}

/// What the sums of all parts of a backup begin with.
fn sums_of_parts(name: &BackupName) -> String {
    let sums = names::sidecar(&names::part(name, ""));
    sums.strip_suffix(".json").unwrap_or(&sums).to_owned()
}
