//! What is copied, and in which order.

use std::collections::BTreeSet;

use crate::catalog::{Backup, Catalog};
use crate::names::{BackupName, DumpName, Object, sidecar_of};
use crate::retention::Objects;
use crate::wal::{History, Segment};

/// Restore points.
const POINTS: &str = "flotilla/points/";

/// Backups with everything that they stand on, the full ones first. One whose chain is broken, or unproven,
/// can't be restored here, so it isn't worth copying.
pub(super) fn backups(catalog: &Catalog) -> Vec<&Backup> {
    catalog.backups.iter().filter(|backup| catalog.chain(backup).is_ok()).collect()
}

/// The keys of the log: histories first, then what backups need and everything since the oldest one
/// that isn't permanent, the oldest first.
pub(super) fn log(catalog: &Catalog, objects: &Objects) -> Vec<String> {
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
    let mut keys: Vec<(Option<u64>, String)> = Vec::new();
    for key in objects.all.keys() {
        let Object::Wal { file, .. } = objects.of(key) else { continue };
        let wanted = match (file.number(), from) {
            (None, _) | (_, None) => true,
            (Some(number), Some(from)) => number >= from || needed.contains(&number),
        };
        if wanted {
            keys.push((file.number(), key.clone()));
        }
    }
    keys.sort();
    keys.into_iter().map(|(_, key)| key).collect()
}

/// The keys of a backup but for its sentinel: parts first, documents last.
pub(super) fn parts(objects: &Objects, name: &BackupName) -> Vec<String> {
    let mut keys: Vec<(bool, String)> = objects
        .of_backup(name)
        .map(|meta| (!matches!(objects.of(&meta.key), Object::Part { .. }), meta.key.clone()))
        .collect();
    keys.sort();
    keys.into_iter().map(|(_, key)| key).collect()
}

/// The keys of restore points.
pub(super) fn points(objects: &Objects) -> Vec<String> {
    objects.all.keys().filter(|key| key.starts_with(POINTS) && sidecar_of(key).is_none()).cloned().collect()
}

/// Finished dumps, each with its objects but for its document.
pub(super) fn dumps(objects: &Objects) -> Vec<(DumpName, Vec<String>)> {
    let names: BTreeSet<DumpName> = objects.all.keys().filter_map(|key| DumpName::of_key(key)).collect();
    let finished = names.into_iter().filter(|name| objects.all.contains_key(&name.document()));
    let with_keys = finished.map(|name| {
        let keys = objects.of_dump(&name).map(|meta| meta.key.clone());
        let keys = keys.filter(|key| *key != name.document()).collect();
        (name, keys)
    });
    with_keys.collect()
}

/// The segments that a backup needs to become consistent. It ends on the timeline on which it began.
pub(super) fn needs(catalog: &Catalog, backup: &Backup) -> Vec<Segment> {
    let way = History::first(backup.timeline());
    way.segments(backup.sentinel.start_lsn, backup.sentinel.finish_lsn, catalog.size).collect()
}
