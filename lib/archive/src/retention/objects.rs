//! All objects below an archive's prefix.

use std::collections::BTreeMap;

use flotilla::Result;
use futures_util::TryStreamExt as _;

use crate::archive::Archive;
use crate::names::{self, BackupName, DumpName, Object};
use crate::store::{Entry, Listing, Meta};
use crate::wal::SegmentSize;

/// All objects, from one listing.
pub(crate) struct Objects {
    pub(crate) all: BTreeMap<String, Meta>,
    size: SegmentSize,
}

impl Objects {
    pub(crate) async fn list(archive: &Archive) -> Result<Self> {
        let mut all = BTreeMap::new();
        let mut entries = archive.store().list(Listing::of(""));
        while let Some(entry) = entries.try_next().await? {
            if let Entry::Object(meta) = entry {
                all.insert(meta.key.clone(), meta);
            }
        }
        Ok(Self { all, size: SegmentSize::DEFAULT })
    }

    /// Those of one backup but for its sentinel, and the sums of its parts.
    pub(crate) async fn of_one(archive: &Archive, name: &BackupName) -> Result<Self> {
        let sums = names::sidecar(&names::part(name, ""));
        let mut all = BTreeMap::new();
        for folder in [format!("{}{name}/", names::BACKUPS), sums.strip_suffix(".json").unwrap_or(&sums).to_owned()] {
            let mut entries = archive.store().list(Listing::of(folder));
            while let Some(entry) = entries.try_next().await? {
                if let Entry::Object(meta) = entry {
                    all.insert(meta.key.clone(), meta);
                }
            }
        }
        Ok(Self { all, size: SegmentSize::DEFAULT })
    }

    /// The same, read as names of segments of this size.
    pub(crate) fn sized(self, size: SegmentSize) -> Self {
        Self { size, ..self }
    }

    pub(crate) fn of(&self, key: &str) -> Object {
        Object::of(key, self.size)
    }

    /// Everything of a logical dump.
    pub(crate) fn of_dump<'a>(&'a self, name: &DumpName) -> impl Iterator<Item = &'a Meta> {
        let folder = name.prefix();
        let from = self.all.range(folder.clone()..);
        from.take_while(move |(key, _)| key.starts_with(&folder)).map(|(_, meta)| meta)
    }

    /// What the layout names of a backup, without its sentinel. What else lies in its folder isn't its.
    pub(crate) fn of_backup<'a>(&'a self, name: &BackupName) -> impl Iterator<Item = &'a Meta> {
        let folder = format!("{}{name}/", names::BACKUPS);
        let inside = self.all.range(folder.clone()..).take_while(move |(key, _)| key.starts_with(&folder));
        inside.map(|(_, meta)| meta).filter(|meta| self.of(&meta.key).backup().is_some())
    }
}
