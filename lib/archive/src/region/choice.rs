//! What is copied, and in which order.

use std::collections::BTreeSet;

use crate::catalog::{Backup, Catalog};
use crate::codec::Codec;
use crate::names::{self, BackupName, DumpName, Object, sidecar_of};
use crate::objects::Objects;
use crate::wal::{History, Segment, WalFile};

/// Restore points.
const POINTS: &str = "flotilla/points/";

/// Backups with everything that they stand on, the full ones first. One whose chain is broken, or unproven,
/// can't be restored here, so it isn't worth copying.
pub(super) fn backups(catalog: &Catalog) -> Vec<&Backup> {
    catalog.backups.iter().filter(|backup| catalog.chain(backup).is_ok()).collect()
}

/// The log: histories first, then what backups need and everything since the oldest one
/// that isn't permanent, the oldest first.
pub(super) fn log(catalog: &Catalog, objects: &Objects) -> Vec<(WalFile, Codec)> {
    let all = backups(catalog);
    let number = |backup: &&Backup| backup.needs(catalog.size).0.number;
    let ordinary = all.iter().copied().filter(|backup| !backup.is_permanent());
    let from = ordinary.map(|backup| number(&backup)).min();
    let from = from.or_else(|| all.iter().map(number).max());
    let needed: BTreeSet<u64> = all
        .iter()
        .flat_map(|backup| {
            let (first, last) = backup.needs(catalog.size);
            first.number..=last.number
        })
        .collect();
    let mut files: Vec<(WalFile, Codec)> = Vec::new();
    for (key, _) in objects.below(names::WAL) {
        let Object::Wal { file, codec } = objects.of(&key) else { continue };
        let wanted = match (file.number(), from) {
            (None, _) | (_, None) => true,
            (Some(number), Some(from)) => number >= from || needed.contains(&number),
        };
        if wanted {
            files.push((file, codec));
        }
    }
    // Stable: of one number they stay in the order of their names.
    files.sort_by_key(|(file, _)| file.number());
    files
}

/// The keys of a backup but for its sentinel: parts first, documents last.
pub(super) fn parts(objects: &Objects, name: &BackupName) -> Vec<String> {
    let mut keys: Vec<(bool, String)> =
        objects.of_backup(name).map(|(key, _)| (!matches!(objects.of(&key), Object::Part { .. }), key)).collect();
    keys.sort();
    keys.into_iter().map(|(_, key)| key).collect()
}

/// The keys of restore points.
pub(super) fn points(objects: &Objects) -> Vec<String> {
    objects.below(POINTS).map(|(key, _)| key).filter(|key| sidecar_of(key).is_none()).collect()
}

/// Finished dumps, each with its objects but for its document.
pub(super) fn dumps(objects: &Objects) -> Vec<(DumpName, Vec<String>)> {
    let names: BTreeSet<DumpName> = objects.of_dumps().map(|(name, _)| name).collect();
    let finished = names.into_iter().filter(|name| objects.has(&name.document()));
    let with_keys = finished.map(|name| {
        let keys = objects.of_dump(&name).map(|(key, _)| key).filter(|key| *key != name.document()).collect();
        (name, keys)
    });
    with_keys.collect()
}

/// The segments that a backup needs to become consistent. It ends on the timeline on which it began.
pub(super) fn needs(catalog: &Catalog, backup: &Backup) -> Vec<Segment> {
    let way = History::first(backup.timeline());
    way.segments(backup.sentinel.start_lsn, backup.sentinel.finish_lsn, catalog.size).collect()
}
