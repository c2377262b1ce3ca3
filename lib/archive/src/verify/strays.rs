//! What is there and shouldn't be, and what was there and should be.

use std::collections::BTreeSet;

use flotilla::Result;

use super::{Finding, Rule, Run};
use crate::names::{self, Object};
use crate::retention::Intent;
use crate::wal::WalFile;

/// Sums without an object, objects without sums, backups without a sentinel, objects that nobody knows.
pub(super) async fn check(run: &Run) -> Result<()> {
    let retiring = Intent::read(&run.archive).await?;
    let is_retired = |key: &str| {
        let intent = retiring.as_ref();
        intent.is_some_and(|intent| intent.covers(&run.inventory.object(key)))
    };
    let mut gone: BTreeSet<String> = run.inventory.keys().filter_map(names::sidecar_of).collect();
    gone.extend(run.shared().remembered.keys().filter(|key| names::sidecar_of(key).is_none()).map(str::to_owned));
    gone.retain(|key| run.inventory.get(key).is_none());
    for key in gone {
        absent(run, &key, is_retired(&key)).await?;
    }
    unfinished(run, &is_retired);
    without_sums(run);
    for key in run.inventory.keys() {
        match run.inventory.object(key) {
            Object::Unknown(key) => run.find(Finding::info(Rule::Unknown, &key, "it is no object of an archive")),
            Object::Own(key) if key.starts_with("flotilla/sums/") && names::sidecar_of(&key).is_none() => {
                run.find(Finding::error(Rule::Damaged, &key, "its name is none that sums have"));
            }
            Object::Wal { file: file @ WalFile::Segment(_), .. }
                if run.catalog.wal.get(&file).is_some_and(|object| object.key != key) =>
            {
                run.find(Finding::warning(Rule::Unfitting, key, "the segment is there in another packing, too"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// An object that was there: its sums are, or it was read before.
async fn absent(run: &Run, key: &str, is_retired: bool) -> Result<()> {
    // It may have been written since, or deleted with its sums.
    match run.archive.store().head(key).await {
        Ok(_) => return Ok(()),
        Err(error) if error.is_absent() => {}
        Err(error) => return Err(error.into()),
    }
    let object = run.inventory.object(key);
    let has_backup = |name| run.catalog.backup(name).is_some();
    let needed = match &object {
        _ if is_retired => false,
        // Its parts are there still: whoever deletes a backup deletes them, too.
        Object::Sentinel(name) => run.catalog.unfinished.contains(name),
        Object::Metadata(name) | Object::FilesMetadata(name) | Object::Part { backup: name, .. } => has_backup(name),
        Object::Wal { file, .. } => {
            let from = match file {
                WalFile::Segment(segment) | WalFile::Partial(segment) | WalFile::Backup(segment, _) => segment.number,
                WalFile::History(_) => u64::MAX,
            };
            // What is older than every backup was retired; the others are needed to go on from them.
            let first = run.catalog.backups.iter().map(|backup| backup.sentinel.start_lsn.0 / run.catalog.size.bytes());
            let in_other_packing = run.catalog.wal.contains_key(file);
            !in_other_packing && first.min().is_none_or(|first| from >= first)
        }
        Object::Own(_) => run.inventory.get(&names::sidecar(key)).is_some(),
        Object::WalExtra(_) | Object::Unknown(_) => false,
    };
    if needed {
        run.find(Finding::error(Rule::Missing, key, "it was there, and isn't any more"));
    } else if run.inventory.get(&names::sidecar(key)).is_some() {
        run.find(Finding::info(Rule::Leftover, &names::sidecar(key), "the object of these sums is gone"));
    }
    Ok(())
}

fn unfinished(run: &Run, is_retired: &dyn Fn(&str) -> bool) {
    for name in &run.catalog.unfinished {
        let key = names::sentinel(name);
        let (documents, parts) = run.inventory.of_backup(name);
        let newest =
            documents.iter().chain(&parts).filter_map(|key| run.inventory.get(key)).map(|meta| meta.modified).max();
        let age = newest.and_then(|newest| (run.now - newest).to_std().ok()).unwrap_or_default();
        let said = format!("the backup has no sentinel, and nothing was added for {}", hours(age));
        let finding = if is_retired(&key) {
            Finding::info(Rule::Leftover, &key, "the backup is being deleted, and parts of it are left")
        } else if age > run.options.unfinished_after {
            Finding::warning(Rule::Unfinished, &key, said)
        } else {
            Finding::info(Rule::Unfinished, &key, said)
        };
        run.find(finding);
    }
}

fn hours(age: std::time::Duration) -> String {
    let minutes = age.as_secs() / 60;
    if minutes < 120 { format!("{minutes} minutes") } else { format!("{} hours", minutes / 60) }
}

/// Objects without sums, where others of their kind have some.
fn without_sums(run: &Run) {
    let has = |key: &str| run.inventory.get(&names::sidecar(key)).is_some();
    for backup in &run.catalog.backups {
        let (documents, parts) = run.inventory.of_backup(&backup.name);
        let all: Vec<&String> = documents.iter().chain(&parts).collect();
        // The sentinel is the last that is written: with its sums, everything else has some.
        let (with, without): (Vec<&String>, Vec<&String>) = all.into_iter().partition(|key| has(key));
        if with.is_empty() {
            continue;
        }
        for key in without {
            run.find(Finding::error(Rule::Missing, &names::sidecar(key), format!("there are no sums of \"{key}\"")));
        }
    }
    let wal: Vec<&str> =
        run.inventory.keys().filter(|key| matches!(run.inventory.object(key), Object::Wal { .. })).collect();
    let without: Vec<&&str> = wal.iter().filter(|key| !has(key)).collect();
    if let Some(first) = without.first().filter(|_| without.len() < wal.len()) {
        let said = format!("{} files of the log have no sums, the first is \"{first}\"", without.len());
        run.find(Finding::warning(Rule::NoSums, first, said));
    }
}
