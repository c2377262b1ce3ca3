//! All objects of an archive, by what they are.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use flotilla::Result;

use crate::archive::Archive;
use crate::names::{self, BackupName, DumpName, Object};
use crate::objects::{Facts, Objects};
use crate::wal::{Segment, SegmentSize, WalFile};

/// All objects, from one listing.
pub(super) struct Inventory {
    objects: Objects,
    backups: BTreeSet<BackupName>,
}

impl Inventory {
    pub(super) async fn list(archive: &Archive, size: SegmentSize) -> Result<Self> {
        let objects = Objects::list(archive).await?.sized(size);
        let mut backups = BTreeSet::new();
        for (key, _) in objects.below(names::BACKUPS) {
            if let Some(backup) = objects.of(&key).backup()
                && !backups.contains(backup)
            {
                backups.insert(backup.clone());
            }
        }
        Ok(Self { objects, backups })
    }

    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Facts> {
        self.objects.get(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.objects.has(key)
    }

    /// Every backup of which there is anything.
    pub(super) fn backups(&self) -> impl Iterator<Item = &BackupName> {
        self.backups.iter()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = String> {
        self.objects.iter().map(|(key, _)| key)
    }

    /// A backup's documents, and its parts.
    pub(super) fn of_backup(&self, name: &BackupName) -> (Vec<String>, Vec<String>) {
        let documents = [names::sentinel(name), names::metadata(name), names::files_metadata(name)];
        let documents = documents.into_iter().filter(|key| self.has(key)).collect();
        (documents, self.objects.below(&names::part(name, "")).map(|(key, _)| key).collect())
    }

    /// Files of the log, with their keys: segments by timeline and number, one that is there in two
    /// packings twice.
    pub(super) fn log(&self) -> impl Iterator<Item = (String, &Facts)> {
        self.objects.below(names::WAL)
    }

    /// Segments, with their keys.
    pub(super) fn segments(&self) -> impl Iterator<Item = (Segment, String, &Facts)> {
        self.log().filter_map(|(key, facts)| match self.object(&key) {
            Object::Wal { file: WalFile::Segment(segment), .. } => Some((segment, key, facts)),
            _ => None,
        })
    }

    /// Of each object of a logical dump, the dump and when the object was written.
    pub(super) fn dumps(&self) -> impl Iterator<Item = (DumpName, DateTime<Utc>)> {
        self.objects.of_dumps().map(|(name, facts)| (name, facts.modified))
    }

    /// Files of the log that are no segments, WAL-G's extras, and objects of ours but for sums.
    pub(super) fn others(&self) -> impl Iterator<Item = String> {
        self.keys().filter(|key| match self.object(key) {
            Object::Wal { file, .. } => !matches!(file, WalFile::Segment(_)),
            Object::WalExtra(_) => true,
            Object::Own(key) => names::sidecar_of(&key).is_none(),
            _ => false,
        })
    }

    pub(super) fn object(&self, key: &str) -> Object {
        self.objects.of(key)
    }
}
