//! Restores a chain of backups into an empty folder.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use flotilla::{Code, Error, Result, failpoint};
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::destination::{Destination, RestoreOptions, Restored};
use super::extract::Extraction;
use super::plan::{LABEL, PG_CONTROL, Plan, Reading};
use crate::Corrupt;
use crate::archive::Archive;
use crate::backup::{BackupLabel, Control};
use crate::catalog::Backup;
use crate::codec::Codec;
use crate::documents::read_files;
use crate::names::{self, Object};
use crate::store::{Entry, Listing, Meta};
use crate::wal::SegmentSize;

/// The most parts that are unpacked at once. Of each, up to 39 MiB are in memory: 33 for what zstd elsewhere packs, three
/// blocks that are written, and pieces of the object.
const MOST_AT_ONCE: usize = 6;

/// Restores the backups of a chain, the full one first, into a folder that is empty or not there, and
/// the folders of its tablespaces. What is there afterwards is the cluster as it was backed up, which
/// recovers with the WAL from where `backup_label` says; it has no `tablespace_map`, and its links of
/// tablespaces lead to the folders that were given.
///
/// Killed or failed at any point it leaves a folder that no server starts on, and that the next run
/// clears away.
///
/// Failpoints: `fetch.prepared`, `fetch.file` within a file, `fetch.part`, `fetch.level` when a backup of
/// the chain is unpacked, `fetch.label`, `fetch.linked`, `fetch.synced`, `fetch.control` when all is there
/// but the marks, `fetch.unmarked` when one of these is gone.
pub async fn restore(archive: &Archive, chain: &[&Backup], into: &Path, options: &RestoreOptions) -> Result<Restored> {
    let last = *chain.last().ok_or_else(|| Error::internal("a chain without backups"))?;
    let destination = Destination::of(chain, into, options)?;
    let listed = try_join_all(chain.iter().map(|backup| list(archive, backup)));
    let ((plan, needed), listed) = tokio::try_join!(read_plan(archive, chain), listed)?;
    let levels = chain.iter().zip(listed).zip(&needed).map(|((backup, parts), needed)| choose(backup, parts, needed));
    let levels: Vec<Vec<Part>> = levels.collect::<Result<_>>()?;

    let marked = destination.prepare(last)?;
    failpoint::hit("fetch.prepared");
    let place = destination.data.display().to_string();
    let unusable = |e: std::io::Error| {
        Error::new(Code::Io, format!("could not use {place}"))
            .hint("What is there has no global/pg_control, so no server starts on it; the next run clears it away.")
            .source(e)
    };
    let total = chain.iter().map(|backup| u64::try_from(backup.sentinel.uncompressed_size).unwrap_or(0)).sum();
    let extraction = Arc::new(Extraction {
        plan,
        roots: destination.roots().map_err(unusable)?,
        place: place.clone(),
        kept: Mutex::default(),
        files: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        used: AtomicU64::new(0),
        passed: AtomicU64::new(0),
        total,
        progress: options.progress.clone(),
        failure: Mutex::default(),
    });
    let at_once = options.parallelism.unwrap_or_else(|| archive.parallelism()).clamp(1, MOST_AT_ONCE);
    let (mut count, mut stored, mut unsummed) = (0, 0, 0);
    for (level, parts) in levels.into_iter().enumerate() {
        let is_last = level + 1 == chain.len();
        let reads = stream::iter(parts).map(|part| read_part(archive, &extraction, level, is_last, part));
        let read: Vec<(u64, bool)> = reads.buffer_unordered(at_once).try_collect().await?;
        count += read.len() as u64;
        stored += read.iter().map(|(bytes, _)| bytes).sum::<u64>();
        unsummed += read.iter().filter(|(_, compared)| !compared).count() as u64;
        let used = extraction.used.swap(0, Ordering::Relaxed);
        if let Some(expected) = extraction.plan.expected(level).filter(|expected| *expected != used) {
            return Err(damaged(chain[level], &format!("{expected} of its members are needed, and {used} were there")));
        }
        failpoint::hit("fetch.level");
    }
    let own = Own::of(&extraction, last).map_err(|corrupt| damaged(last, &corrupt.to_string()))?;
    let label = own.label.clone();
    let end = {
        let extraction = Arc::clone(&extraction);
        move || {
            let mut file = extraction.roots.create(LABEL, 0o600)?;
            file.write_all(own.label.to_string().as_bytes())?;
            drop(file);
            failpoint::hit("fetch.label");
            destination.finish(&own.control)?;
            drop(marked);
            Ok(())
        }
    };
    let ended =
        tokio::task::spawn_blocking(end).await.map_err(|e| Error::internal("ending a restore failed").source(e))?;
    ended.map_err(unusable)?;
    Ok(Restored {
        files: extraction.files.load(Ordering::Relaxed),
        bytes: extraction.bytes.load(Ordering::Relaxed),
        parts: count,
        stored_bytes: stored,
        unsummed_parts: unsummed,
        label,
    })
}

/// The last backup's own files, without which it is none.
struct Own {
    label: BackupLabel,
    control: Vec<u8>,
}

impl Own {
    fn of(extraction: &Extraction, backup: &Backup) -> std::result::Result<Self, Corrupt> {
        let kept = |name: &str| extraction.kept(name).ok_or_else(|| Corrupt::new(format!("it has no {name}")));
        let bytes = kept(PG_CONTROL)?;
        let control = Control::parse(&bytes)?;
        if backup.sentinel.system_identifier.is_some_and(|system| system != control.system_identifier) {
            return Err(Corrupt::new("its pg_control is of another cluster than its sentinel"));
        }
        let label = BackupLabel::parse(&kept(LABEL)?, control.segment_size)?;
        if label.start != backup.sentinel.start_lsn {
            return Err(Corrupt::new("its backup_label begins elsewhere than its sentinel"));
        }
        Ok(Self { label, control: bytes })
    }
}

/// Reads which members of which backup are needed, and of each backup which of its parts.
async fn read_plan(archive: &Archive, chain: &[&Backup]) -> Result<(Plan, Vec<HashMap<String, bool>>)> {
    if let [backup] = chain
        && !backup.sentinel.has_files_metadata()
    {
        return Ok((Plan::everything(), vec![HashMap::new()]));
    }
    let mut plan = Plan::of(chain.len());
    let mut needed = vec![HashMap::new(); chain.len()];
    for (level, backup) in chain.iter().enumerate().rev() {
        if !backup.sentinel.has_files_metadata() {
            let what = format!("{} is part of a chain and has no list of its files", backup.name);
            return Err(Error::new(Code::Unsupported, what).hint("Restore another backup; this one needs wal-g."));
        }
        let mut reading = Reading::new(plan, level);
        let key = names::files_metadata(&backup.name);
        let read = archive.read_document(&key, move |document| read_files(document, &mut reading).map(|()| reading));
        let (_, reading) = read.await?;
        needed[level] = reading.parts;
        plan = reading.plan;
    }
    plan.check().map_err(|corrupt| damaged(chain[chain.len() - 1], &corrupt.to_string()))?;
    Ok((plan, needed))
}

struct Part {
    name: String,
    meta: Meta,
    codec: Codec,
}

/// The parts of a backup.
async fn list(archive: &Archive, backup: &Backup) -> Result<Vec<Part>> {
    let folder = names::part(&backup.name, "");
    let mut entries = archive.store().list(Listing::of(folder));
    let mut parts = Vec::new();
    while let Some(entry) = entries.try_next().await? {
        let Entry::Object(meta) = entry else { continue };
        if let Object::Part { name, codec, .. } = Object::of(&meta.key, SegmentSize::DEFAULT) {
            parts.push(Part { name, meta, codec });
        }
    }
    Ok(parts)
}

/// Those that have a needed member, the largest first.
fn choose(backup: &Backup, mut parts: Vec<Part>, needed: &HashMap<String, bool>) -> Result<Vec<Part>> {
    parts.retain(|part| needed.get(&part.name).copied().unwrap_or(true));
    if parts.is_empty() {
        return Err(damaged(backup, "it has no parts"));
    }
    parts.sort_by_key(|part| std::cmp::Reverse(part.meta.size));
    Ok(parts)
}

/// Unpacks a part; its size, and whether it was compared with sums.
async fn read_part(
    archive: &Archive,
    extraction: &Arc<Extraction>,
    level: usize,
    is_last: bool,
    part: Part,
) -> Result<(u64, bool)> {
    let shared = Arc::clone(extraction);
    let work = move |content: &mut dyn std::io::Read| shared.part(level, is_last, content);
    match archive.unpack(&part.meta.key, part.codec, work).await {
        Ok((unpacked, ())) => {
            failpoint::hit("fetch.part");
            Ok((unpacked.stored.bytes, unpacked.compared))
        }
        Err(error) => Err(extraction.failure().unwrap_or(error)),
    }
}

fn damaged(backup: &Backup, what: &str) -> Error {
    Error::new(Code::Mismatch, format!("{} can't be restored: {what}", backup.name))
        .hint("The archive is damaged there; `walg-wrap verify` tells more. Restore another backup.")
}
