//! Whether a backup can be restored, as far as names and documents tell. Contents are `verify`'s.

use std::collections::BTreeMap;

use flotilla::Result;

use crate::archive::Archive;
use crate::catalog::{Backup, Catalog, lack};
use crate::names::BackupName;
use crate::objects::Objects;
use crate::wal::History;

/// Answers, each found out once.
pub(super) struct Soundness<'a> {
    archive: &'a Archive,
    catalog: &'a Catalog,
    objects: &'a Objects,
    /// Of single backups, without what they stand on.
    whole: BTreeMap<BackupName, bool>,
}

impl<'a> Soundness<'a> {
    pub(super) fn new(archive: &'a Archive, catalog: &'a Catalog, objects: &'a Objects) -> Self {
        Self { archive, catalog, objects, whole: BTreeMap::new() }
    }

    /// Whether its chain is there with all its parts, and the log that it needs to become consistent.
    pub(super) async fn is_restorable(&mut self, backup: &Backup) -> Result<bool> {
        let Ok(chain) = self.catalog.chain(backup) else { return Ok(false) };
        let way = self.catalog.way_to(backup.timeline()).unwrap_or_else(|| History::first(backup.timeline()));
        let (start, finish) = (backup.sentinel.start_lsn, backup.sentinel.finish_lsn);
        let mut log = way.segments(start, finish, self.catalog.size);
        if !log.all(|segment| self.catalog.segment(segment).is_some_and(|object| object.bytes > 0)) {
            return Ok(false);
        }
        for one in chain {
            if !self.is_whole(one).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn is_whole(&mut self, backup: &Backup) -> Result<bool> {
        if let Some(known) = self.whole.get(&backup.name) {
            return Ok(*known);
        }
        let whole = lack(self.archive, self.objects, backup).await?.is_none();
        self.whole.insert(backup.name.clone(), whole);
        Ok(whole)
    }
}
