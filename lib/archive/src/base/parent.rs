//! What a delta stands on: the files of its parent, and since when their pages count.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use flotilla::Result;

use crate::Corrupt;
use crate::archive::Archive;
use crate::catalog::Backup;
use crate::documents::{FileEntry, Visit, read_files};
use crate::names::{self, BackupName};
use crate::wal::Lsn;

/// The parent of a delta that is being made.
#[derive(Debug)]
pub struct Parent {
    /// Its name.
    pub name: BackupName,
    /// The full backup at the start of the chain.
    pub full: BackupName,
    /// Where it began: pages changed since go into the delta.
    pub since: Lsn,
    /// How many deltas there will be from the full backup on.
    pub count: u32,
    files: Files,
}

/// Names as hashes of 128 bits, keyed at random: there may be millions.
#[derive(Debug)]
struct Files {
    names: HashSet<u128>,
    hashers: [RandomState; 2],
}

impl Files {
    fn hash(&self, name: &str) -> u128 {
        let [high, low] = self.hashers.each_ref().map(|hasher| u128::from(hasher.hash_one(name)));
        high << 64 | low
    }
}

impl Visit for Files {
    fn file(&mut self, name: String, _: FileEntry) -> std::result::Result<(), Corrupt> {
        let hash = self.hash(&name);
        self.names.insert(hash);
        Ok(())
    }

    fn member(&mut self, _: &str, _: String) -> std::result::Result<(), Corrupt> {
        Ok(())
    }
}

impl Parent {
    /// Reads which files the backup has. Its sentinel must say that it has a list of them.
    pub async fn read(archive: &Archive, backup: &Backup) -> Result<Self> {
        let delta = backup.sentinel.delta()?;
        let mut files = Files { names: HashSet::new(), hashers: [RandomState::new(), RandomState::new()] };
        let key = names::files_metadata(&backup.name);
        let read = archive.read_document(&key, move |document| read_files(document, &mut files).map(|()| files));
        let (_, files) = read.await?;
        Ok(Self {
            name: backup.name.clone(),
            full: delta.as_ref().map_or_else(|| backup.name.clone(), |delta| delta.full.clone()),
            since: backup.sentinel.start_lsn,
            count: delta.map_or(0, |delta| delta.count) + 1,
            files,
        })
    }

    /// Whether it has the file.
    pub(super) fn has(&self, name: &str) -> bool {
        self.files.names.contains(&self.files.hash(name))
    }
}
