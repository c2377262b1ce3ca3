//! Takes a backup that WAL-G has written for one only when all of it was read back; then it has sums like
//! every other.

use flotilla::error::{Code, Error, Result};
use flotilla::failpoint;
use flotilla_archive::Archive;
use flotilla_archive::catalog::Backup;
use flotilla_archive::codec::Codec;
use flotilla_archive::documents::{FileEntry, Sidecar, Visit, read_files};
use flotilla_archive::names::{self, Object};
use flotilla_archive::store::{Entry, Listing};
use flotilla_archive::tarball::read_members;
use flotilla_archive::wal::SegmentSize;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};

/// What the backup has.
#[derive(Debug, Default)]
pub(super) struct Adopted {
    pub(super) members: u64,
    pub(super) incremented: u64,
    pub(super) parts: u64,
    pub(super) content_bytes: u64,
    pub(super) stored_bytes: u64,
}

/// Reads every object of a backup and writes its sums.
pub(super) async fn adopt(archive: &Archive, backup: &Backup, size: SegmentSize, system: u64) -> Result<Adopted> {
    let mut parts: Vec<(String, Codec, bool)> = Vec::new();
    let mut entries = archive.store().list(Listing::of(names::part(&backup.name, "")));
    while let Some(entry) = entries.try_next().await? {
        let Entry::Object(meta) = entry else { continue };
        if let Object::Part { name, codec, .. } = Object::of(&meta.key, size) {
            parts.push((meta.key, codec, name.starts_with("pg_control.")));
        }
    }
    if !parts.iter().any(|(_, _, control)| *control) {
        return Err(Error::new(Code::Mismatch, format!("{} has no pg_control", backup.name)));
    }
    let at_once = archive.parallelism().clamp(1, 6);
    let reads: Vec<_> = parts.iter().map(|(key, codec, _)| part(archive, key, *codec, system).boxed()).collect();
    let read: Vec<Adopted> = stream::iter(reads).buffer_unordered(at_once).try_collect().await?;
    let mut all = Adopted { parts: parts.len() as u64, ..Adopted::default() };
    for one in read {
        all.members += one.members;
        all.content_bytes += one.content_bytes;
        all.stored_bytes += one.stored_bytes;
    }
    if backup.sentinel.has_files_metadata() {
        let key = names::files_metadata(&backup.name);
        let read = archive.read_document(&key, |document| {
            let mut count = Count(0);
            read_files(document, &mut count).map(|()| count.0)
        });
        let (opened, incremented) = read.await?;
        all.incremented = incremented;
        archive.write_sums(&Sidecar::new(&key, opened.stored, Some(opened.content.into()), Some(system))).await?;
    }
    failpoint::hit("walg.read");
    // The sentinel's sums last, as the sentinel itself: with them the backup is proven.
    for key in [names::metadata(&backup.name), names::sentinel(&backup.name)] {
        let (opened, ()) =
            archive.read_document(&key, |document| std::io::copy(document, &mut std::io::sink()).map(drop)).await?;
        archive.write_sums(&Sidecar::new(&key, opened.stored, Some(opened.content.into()), Some(system))).await?;
    }
    Ok(all)
}

async fn part(archive: &Archive, key: &str, codec: Codec, system: u64) -> Result<Adopted> {
    let read = archive.read(key, codec, |content| {
        let mut members = 0;
        read_members(content, &mut |_, _| {
            members += 1;
            Ok(())
        })?;
        Ok(members)
    });
    let (opened, members) = read.await?;
    archive.write_sums(&Sidecar::new(key, opened.stored, Some(opened.content.into()), Some(system))).await?;
    failpoint::hit("walg.part");
    Ok(Adopted {
        members,
        content_bytes: opened.content.bytes,
        stored_bytes: opened.stored.bytes,
        ..Adopted::default()
    })
}

struct Count(u64);

impl Visit for Count {
    fn file(&mut self, _: String, entry: FileEntry) -> std::result::Result<(), flotilla_archive::Corrupt> {
        self.0 += u64::from(entry.is_incremented);
        Ok(())
    }

    fn member(&mut self, _: &str, _: String) -> std::result::Result<(), flotilla_archive::Corrupt> {
        Ok(())
    }
}
