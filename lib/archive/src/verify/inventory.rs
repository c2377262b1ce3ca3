//! All objects of an archive, by what they are.

use std::collections::{BTreeMap, BTreeSet};

use flotilla::Result;
use futures_util::TryStreamExt as _;

use crate::archive::Archive;
use crate::names::{self, BackupName, Object};
use crate::store::{Entry, Listing, Meta};
use crate::wal::{Segment, SegmentSize, WalFile};

/// All objects, from one listing.
pub(super) struct Inventory {
    objects: BTreeMap<String, Meta>,
    size: SegmentSize,
    backups: BTreeSet<BackupName>,
}

impl Inventory {
    pub(super) async fn list(archive: &Archive, size: SegmentSize) -> Result<Self> {
        let mut entries = archive.store().list(Listing::of(""));
        let (mut objects, mut backups) = (BTreeMap::new(), BTreeSet::new());
        while let Some(entry) = entries.try_next().await? {
            let Entry::Object(meta) = entry else { continue };
            if let Some(backup) = Object::of(&meta.key, size).backup()
                && !backups.contains(backup)
            {
                backups.insert(backup.clone());
            }
            objects.insert(meta.key.clone(), meta);
        }
        Ok(Self { objects, size, backups })
    }

    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Meta> {
        self.objects.get(key)
    }

    /// Every backup of which there is anything.
    pub(super) fn backups(&self) -> impl Iterator<Item = &BackupName> {
        self.backups.iter()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.objects.keys().map(String::as_str)
    }

    fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.objects
            .range(prefix.to_owned()..)
            .map(|(key, _)| key.as_str())
            .take_while(move |key| key.starts_with(prefix))
    }

    /// A backup's documents, and its parts.
    pub(super) fn of_backup(&self, name: &BackupName) -> (Vec<String>, Vec<String>) {
        let documents = [names::sentinel(name), names::metadata(name), names::files_metadata(name)];
        let documents = documents.into_iter().filter(|key| self.objects.contains_key(key)).collect();
        (documents, self.below(&names::part(name, "")).map(str::to_owned).collect())
    }

    /// Segments, with their keys. One that is there in two packings comes twice.
    pub(super) fn segments(&self) -> impl Iterator<Item = (Segment, &str)> {
        self.below(names::WAL).filter_map(|key| match Object::of(key, self.size) {
            Object::Wal { file: WalFile::Segment(segment), .. } => Some((segment, key)),
            _ => None,
        })
    }

    /// Files of the log that are no segments, WAL-G's extras, and objects of ours but for sums.
    pub(super) fn others(&self) -> impl Iterator<Item = &str> {
        self.keys().filter(|key| match Object::of(key, self.size) {
            Object::Wal { file, .. } => !matches!(file, WalFile::Segment(_)),
            Object::WalExtra(_) => true,
            Object::Own(key) => names::sidecar_of(&key).is_none(),
            _ => false,
        })
    }

    pub(super) fn object(&self, key: &str) -> Object {
        Object::of(key, self.size)
    }
}
