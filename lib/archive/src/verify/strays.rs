//! What is there and shouldn't be, and what was there and should be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use flotilla::Result;

use super::{Finding, Rule, Run, held, object};
use crate::catalog::{Backup, WalObject};
use crate::codec::Codec;
use crate::digest::Passed;
use crate::names::{self, Object};
use crate::retention::Intent;

/// How long writers may take from an object to its sums, and from a segment to the one before it.
const WRITING: Duration = Duration::from_mins(5);

/// Whether something was written just now, or after this run began.
pub(super) fn is_young(run: &Run, written: DateTime<Utc>) -> bool {
    (run.now - written).to_std().is_ok_and(|age| age < WRITING) || written > run.now
}

/// Sums without an object, objects without sums, backups without a sentinel, objects that nobody knows.
pub(super) async fn check(run: &Run, standing: &[&Backup]) -> Result<()> {
    let retiring = match Intent::read(&run.archive).await {
        Ok(intent) => intent,
        Err(error) if error.code() == flotilla::Code::Mismatch => {
            run.find(Finding::error(Rule::Damaged, Intent::KEY, error.message()));
            None
        }
        Err(error) => return Err(error),
    };
    let is_retired = |key: &str| {
        let intent = retiring.as_ref();
        intent.is_some_and(|intent| intent.covers(&run.inventory.object(key)))
    };
    let is_gone = |key: &String| !run.inventory.has(key);
    let mut gone: BTreeSet<String> =
        run.inventory.keys().filter_map(|key| names::sidecar_of(&key)).filter(is_gone).collect();
    gone.extend(held(&run.memory).keys().filter(|key| names::sidecar_of(key).is_none()).filter(is_gone));
    for key in gone {
        absent(run, &key, is_retired(&key), standing).await?;
    }
    unfinished(run, &is_retired).await?;
    without_sums(run, standing).await?;
    for key in run.inventory.keys() {
        match run.inventory.object(&key) {
            Object::Unknown(key) => run.find(Finding::info(Rule::Unknown, &key, "it is no object of an archive")),
            Object::Own(key) if key.starts_with("flotilla/sums/") && names::sidecar_of(&key).is_none() => {
                run.find(Finding::error(Rule::Damaged, &key, "its name is none that sums have"));
            }
            Object::Wal { file, codec } => {
                if let Some(first) = run.catalog.wal.get(file).filter(|first| first.codec != codec) {
                    again(run, &key, codec, first).await?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// An object that was there: its sums are, or it was read before.
async fn absent(run: &Run, key: &str, is_retired: bool, standing: &[&Backup]) -> Result<()> {
    // It may have been written since, or deleted with its sums.
    match run.archive.store().head(key).await {
        Ok(_) => return Ok(()),
        Err(error) if error.is_absent() => {}
        Err(error) => return Err(error.into()),
    }
    let object = run.inventory.object(key);
    let has_backup = |name: &names::BackupName| standing.iter().any(|backup| backup.name == *name);
    let needed = match &object {
        _ if is_retired => false,
        // Its parts are there still: whoever deletes a backup deletes them, too.
        Object::Sentinel(name) => run.catalog.unfinished.contains(name),
        Object::Metadata(name) | Object::FilesMetadata(name) | Object::Part { backup: name, .. } => has_backup(name),
        Object::Wal { file, .. } => {
            let in_other_packing = run.catalog.wal.get(*file).is_some();
            !in_other_packing && file.number().is_none_or(|number| needs(run, standing, number))
        }
        Object::Own(_) => run.inventory.get(&names::sidecar(key)).is_some(),
        Object::WalExtra(_) | Object::Unknown(_) => false,
    };
    if needed {
        run.shared().lost.insert(key.to_owned());
        run.find(Finding::error(Rule::Missing, key, "it was there, and isn't any more"));
    } else if run.inventory.get(&names::sidecar(key)).is_some() {
        run.find(Finding::info(Rule::Leftover, &names::sidecar(key), "the object of these sums is gone"));
    }
    Ok(())
}

/// A file of the log in another packing than the one that is read first: it must have the same content.
async fn again(run: &Run, key: &str, codec: Codec, first: WalObject) -> Result<()> {
    let first_key = first.key();
    let both = (content(run, key, codec).await?, content(run, &first_key, first.codec).await?);
    let (Some(other), Some(known)) = both else { return Ok(()) };
    run.find(if other == known {
        Finding::info(Rule::Leftover, key, format!("\"{first_key}\" has the same content, and is read first"))
    } else {
        Finding::error(
            Rule::Unfitting,
            key,
            format!("it has another content than \"{first_key}\", which is read first"),
        )
    });
    Ok(())
}

/// What an object holds; `None` where there was a finding about it, or it is gone.
async fn content(run: &Run, key: &str, codec: Codec) -> Result<Option<Passed>> {
    if run.inventory.get(key).is_none() || run.shared().faulty.contains(key) {
        return Ok(None);
    }
    let read = object::packed(run, key, codec, |content| std::io::copy(content, &mut std::io::sink())).await?;
    Ok(read.map(|(opened, _)| opened.content))
}

/// Whether a backup needs the segment of this number: what is older than all that aren't permanent was
/// retired, but for what a permanent one needs to become consistent.
fn needs(run: &Run, standing: &[&Backup], number: u64) -> bool {
    let start = |backup: &Backup| backup.sentinel.start_lsn.0 / run.catalog.size.bytes();
    let first = standing.iter().filter(|backup| !backup.is_permanent()).map(|backup| start(backup)).min();
    let goes_on = match first {
        Some(first) => number >= first,
        // From a permanent one that is alone, the log goes on.
        None => standing.iter().map(|backup| start(backup)).max().is_none_or(|last| number >= last),
    };
    goes_on || standing.iter().any(|backup| (start(backup)..=backup.needs(run.catalog.size).1.number).contains(&number))
}

async fn unfinished(run: &Run, is_retired: &(dyn Fn(&str) -> bool + Sync)) -> Result<()> {
    for name in &run.catalog.unfinished {
        let key = names::sentinel(name);
        let (documents, parts) = run.inventory.of_backup(name);
        let objects = documents.iter().chain(&parts);
        let newest = objects.filter_map(|key| run.inventory.get(key)).map(|meta| meta.modified).max();
        // Finished or deleted since.
        let Some(newest) = newest else { continue };
        if run.inventory.get(&key).is_some() || run.still_has(name).await? {
            continue;
        }
        let age = (run.now - newest).to_std().unwrap_or_default();
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
    let mut dumps: BTreeMap<names::DumpName, DateTime<Utc>> = BTreeMap::new();
    for (name, modified) in run.inventory.dumps() {
        let newest = dumps.entry(name).or_insert(modified);
        *newest = modified.max(*newest);
    }
    for (name, newest) in dumps {
        let key = name.document();
        if run.inventory.get(&key).is_some() {
            continue;
        }
        let age = (run.now - newest).to_std().unwrap_or_default();
        let said = format!("the dump has no document, and nothing was added for {}", hours(age));
        run.find(if is_retired(&key) {
            Finding::info(Rule::Leftover, &key, "the dump is being deleted, and objects of it are left")
        } else if age > run.options.unfinished_after {
            Finding::warning(Rule::Unfinished, &key, said)
        } else {
            Finding::info(Rule::Unfinished, &key, said)
        });
    }
    Ok(())
}

fn hours(age: std::time::Duration) -> String {
    let minutes = age.as_secs() / 60;
    if minutes < 120 { format!("{minutes} minutes") } else { format!("{} hours", minutes / 60) }
}

/// Objects without sums that had some, or where others of their kind have some: whoever writes sums
/// writes them for everything.
async fn without_sums(run: &Run, standing: &[&Backup]) -> Result<()> {
    let has = |key: &str| run.inventory.get(&names::sidecar(key)).is_some();
    let had = |key: &str| held(&run.memory).get(&names::sidecar(key)).is_some();
    let is_young = |key: &str| run.inventory.get(key).is_some_and(|meta| is_young(run, meta.modified));
    let mut suspects: Vec<String> = Vec::new();
    for backup in standing {
        let (documents, parts) = run.inventory.of_backup(&backup.name);
        let (with, without): (Vec<String>, Vec<String>) = documents.into_iter().chain(parts).partition(|key| has(key));
        let partly = !with.is_empty();
        suspects.extend(without.into_iter().filter(|key| had(key) || (partly && !is_young(key))));
    }
    let pinned = run.inventory.get(super::documents::PIN).map(|pin| pin.modified);
    let wal = || run.inventory.log().filter(|(key, _)| matches!(run.inventory.object(key), Object::Wal { .. }));
    let partly = wal().any(|(key, _)| has(&key));
    for (key, facts) in wal().filter(|(key, _)| !has(key)) {
        // What is older than the pin is WAL-G's: we write nothing without one.
        let is_ours = pinned.is_some_and(|pinned| facts.modified >= pinned);
        if had(&key) || (partly && is_ours && !is_young(&key)) {
            suspects.push(key);
        }
    }
    for key in suspects {
        let sums = names::sidecar(&key);
        let is_there = |key: &str| {
            let (store, key) = (run.archive.store().clone(), key.to_owned());
            async move {
                match store.head(&key).await {
                    Ok(_) => Ok(true),
                    Err(error) if error.is_absent() => Ok(false),
                    Err(error) => Err(flotilla::Error::from(error)),
                }
            }
        };
        // Written, or both deleted, since they were listed.
        if is_there(&sums).await? || !is_there(&key).await? {
            continue;
        }
        if had(&key) {
            run.shared().lost.insert(sums.clone());
        }
        run.find(Finding::warning(Rule::NoSums, &sums, format!("there are no sums of \"{key}\"")));
    }
    Ok(())
}
