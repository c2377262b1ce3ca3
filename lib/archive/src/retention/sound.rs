//! Whether a backup can be restored, as far as names and documents tell. Contents are `verify`'s.

use std::collections::{BTreeMap, BTreeSet};

use flotilla::{Code, Result};

use crate::Corrupt;
use crate::archive::Archive;
use crate::catalog::{Backup, Catalog};
use crate::documents::{FileEntry, Visit, read_files};
use crate::names::{self, BackupName, Object};
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
        let whole = self.has_all(backup).await?;
        self.whole.insert(backup.name.clone(), whole);
        Ok(whole)
    }

    async fn has_all(&self, backup: &Backup) -> Result<bool> {
        let mut parts = BTreeSet::new();
        for (key, facts) in self.objects.of_backup(&backup.name) {
            if let Object::Part { name, .. } = self.objects.of(&key) {
                if facts.size == 0 {
                    return Ok(false);
                }
                parts.insert(name);
            }
        }
        // A part whose sums are there was written.
        let sums = names::sidecar(&names::part(&backup.name, ""));
        let of_parts = self.objects.below(sums.strip_suffix(".json").unwrap_or(&sums));
        let mut written = of_parts.filter_map(|(key, _)| names::sidecar_of(&key));
        if written.any(|part| !self.objects.has(&part)) {
            return Ok(false);
        }
        let control = parts.iter().any(|name| name.starts_with("pg_control.tar"));
        if !control || parts.len() < 2 {
            return Ok(false);
        }
        if !backup.sentinel.has_files_metadata() {
            return Ok(true);
        }
        let key = names::files_metadata(&backup.name);
        let mut listed = Listed(BTreeSet::new());
        let read = self.archive.read_document(&key, move |document| read_files(document, &mut listed).map(|()| listed));
        match read.await {
            Ok((_, listed)) => Ok(listed.0.is_subset(&parts)),
            Err(error) if matches!(error.code(), Code::NotFound | Code::Mismatch) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The parts that a list of files names.
struct Listed(BTreeSet<String>);

impl Visit for Listed {
    fn file(&mut self, _: String, _: FileEntry) -> std::result::Result<(), Corrupt> {
        Ok(())
    }

    fn member(&mut self, part: &str, _: String) -> std::result::Result<(), Corrupt> {
        if !self.0.contains(part) {
            self.0.insert(part.to_owned());
        }
        Ok(())
    }
}
