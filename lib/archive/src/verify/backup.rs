//! A backup's content: the list of its files, and every part.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use flotilla::{Code, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::members::{List, Names};
use super::part::{Checks, Found, Label};
use super::{Finding, Rule, Run, object, torn};
use crate::catalog::Backup;
use crate::codec::Codec;
use crate::documents::read_files;
use crate::names::{self, BackupName, Object};

/// How many names a finding lists.
const SOME: usize = 5;

/// Checks one backup, unless all of it was read before.
pub(super) async fn check(run: &Run, name: &BackupName) -> Result<()> {
    let (documents, parts) = run.inventory.of_backup(name);
    let Some(backup) = run.catalog.backup(name) else { return Ok(()) };
    let list = names::files_metadata(name);
    let all: Vec<&String> = parts.iter().chain(documents.iter().filter(|key| **key == list)).collect();
    missing(run, backup, &parts).await?;
    if !all.is_empty() && all.iter().all(|key| run.is_known(key)) {
        run.note_known(all.len());
        return Ok(());
    }
    let files = if backup.sentinel.has_files_metadata() { read_list(run, name).await? } else { None };
    // What is wrong with the list itself was told; members are compared with a sound one alone.
    let listed = files.is_some();
    let files = Arc::new(Mutex::new(files.unwrap_or_default()));
    let found = read_parts(run, backup, parts, &files, listed).await?;
    compare(run, backup, &files, &found).await?;
    torn::check(run, backup, &files, &found).await
}

/// What must be there of every backup.
async fn missing(run: &Run, backup: &Backup, parts: &[String]) -> Result<()> {
    let name = &backup.name;
    let list = names::files_metadata(name);
    let mut missing = Vec::new();
    if backup.sentinel.has_files_metadata() && run.inventory.get(&list).is_none() {
        missing.push((list, "the list of the backup's files isn't there"));
    }
    for stem in ["pg_control.tar", "backup_label.tar"] {
        let is_it = |key: &String| matches!(run.inventory.object(key), Object::Part { name, .. } if Codec::of_name(&name).0 == stem);
        if !parts.iter().any(is_it) {
            missing.push((names::part(name, stem), "the backup can't be restored without it"));
        }
    }
    if !missing.is_empty() && run.still_has(name).await? {
        for (key, said) in missing {
            run.find(Finding::error(Rule::Missing, &key, said));
        }
    }
    Ok(())
}

/// Reads the list of files; `None` where it can't be read, which is a finding already.
async fn read_list(run: &Run, name: &BackupName) -> Result<Option<List>> {
    let key = names::files_metadata(name);
    if run.inventory.get(&key).is_none() {
        return Ok(None);
    }
    let read = object::document(run, &key, |content| {
        let mut list = List::default();
        read_files(content, &mut list)?;
        Ok(list)
    });
    Ok(read.await?.map(|(_, list)| list))
}

async fn read_parts(
    run: &Run,
    backup: &Backup,
    parts: Vec<String>,
    files: &Arc<Mutex<List>>,
    listed: bool,
) -> Result<Vec<Found>> {
    let read = stream::iter(parts).map(|key| async move {
        let Object::Part { name, codec, .. } = run.inventory.object(&key) else {
            run.find(Finding::info(Rule::Unknown, &key, "it is no part of the backup"));
            return Ok(None);
        };
        let checks = Checks {
            part: name,
            since: backup.sentinel.start_lsn,
            size: run.catalog.size,
            files: Arc::clone(files),
            listed,
            found: Found { key: key.clone(), ..Found::default() },
        };
        let read = object::packed(run, &key, codec, move |content| checks.read(content)).await?;
        Ok::<_, flotilla::Error>(read.map(|(_, found)| found))
    });
    let found: Vec<Option<Found>> = read.buffer_unordered(run.archive.parallelism()).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Compares what was read with what the backup's documents say.
async fn compare(run: &Run, backup: &Backup, files: &Arc<Mutex<List>>, found: &[Found]) -> Result<()> {
    let name = &backup.name;
    for part in found {
        for wrong in &part.wrong {
            run.find(Finding::error(Rule::Unfitting, &part.key, wrong.clone()));
        }
    }
    control(run, backup, found);
    let list = names::files_metadata(name);
    // Parts that couldn't be read have no members, which isn't to be told a second time.
    let whole = run.inventory.of_backup(name).1.len() == found.len();
    let (absent, parts) = {
        let files = files.lock().unwrap_or_else(PoisonError::into_inner);
        (files.unseen(), files.parts().map(str::to_owned).collect::<BTreeSet<_>>())
    };
    for part in parts {
        let key = names::part(name, &part);
        if run.inventory.get(&key).is_none() && run.still_has(name).await? {
            run.find(Finding::error(Rule::Missing, &key, "the backup's list names this part, and it isn't there"));
        }
    }
    if whole && absent > 0 && backup.sentinel.has_files_metadata() {
        let names = unseen_names(run, name, files).await?;
        let said = format!("{absent} of its files are in no part, such as {}", names.join(", "));
        run.find(Finding::error(Rule::Missing, &list, said));
    }
    skipped(run, backup, files).await
}

async fn unseen_names(run: &Run, name: &BackupName, files: &Arc<Mutex<List>>) -> Result<Vec<String>> {
    second_reading(run, name, Names::unseen(files, SOME)).await
}

async fn second_reading(run: &Run, name: &BackupName, mut names: Names) -> Result<Vec<String>> {
    let key = names::files_metadata(name);
    let body = match run.archive.store().get(&key).await {
        Ok(body) => body,
        Err(error) if error.is_absent() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let documents = run.archive.unsealed();
    let read = documents.read_body(&key, Codec::None, body, None, move |content| {
        read_files(content, &mut names)?;
        Ok(names.found)
    });
    match read.await {
        Ok((_, names)) => Ok(names),
        Err(error) if error.code() == Code::Mismatch => Ok(Vec::new()),
        Err(error) => run.withheld(&key, error).await.map(|()| Vec::new()),
    }
}

/// What is as in the parent must be in the parent.
async fn skipped(run: &Run, backup: &Backup, files: &Arc<Mutex<List>>) -> Result<()> {
    let has_any = files.lock().unwrap_or_else(PoisonError::into_inner).has_skipped();
    let parent = match backup.sentinel.delta() {
        Ok(Some(delta)) => delta.parent,
        _ if has_any => {
            let key = names::files_metadata(&backup.name);
            run.find(Finding::error(Rule::Unfitting, &key, "files are as in a parent, and the backup has none"));
            return Ok(());
        }
        _ => return Ok(()),
    };
    if run.catalog.backup(&parent).is_none() || !has_any {
        return Ok(());
    }
    let parent_list = second_list(run, &parent).await?;
    let Some(parent_list) = parent_list else { return Ok(()) };
    let lost = second_reading(run, &backup.name, Names::not_in(files, parent_list, SOME)).await?;
    if !lost.is_empty() {
        let key = names::files_metadata(&backup.name);
        let said = format!("files are as in {parent}, which hasn't got them, such as {}", lost.join(", "));
        run.find(Finding::error(Rule::Missing, &key, said));
    }
    Ok(())
}

/// The parent's list, which is checked in its own turn.
async fn second_list(run: &Run, name: &BackupName) -> Result<Option<List>> {
    let key = names::files_metadata(name);
    let body = match run.archive.store().get(&key).await {
        Ok(body) => body,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let documents = run.archive.unsealed();
    let read = documents.read_body(&key, Codec::None, body, None, |content| {
        let mut list = List::default();
        read_files(content, &mut list)?;
        Ok(list)
    });
    match read.await {
        Ok((_, list)) => Ok(Some(list)),
        Err(error) if error.code() == Code::Mismatch => Ok(None),
        Err(error) => run.withheld(&key, error).await.map(|()| None),
    }
}

/// `pg_control` and `backup_label` must be of this cluster and this backup.
fn control(run: &Run, backup: &Backup, found: &[Found]) {
    let label = found.iter().find_map(|part| part.label.as_ref());
    for part in found {
        if let Some(control) = &part.control {
            if run.system.is_some_and(|system| system != control.system_identifier) {
                let said = format!("pg_control is of system {}", control.system_identifier);
                run.find(Finding::error(Rule::Foreign, &part.key, said));
            }
            let early = label.is_some_and(|label| control.checkpoint < label.label.checkpoint);
            if early || control.redo > backup.sentinel.finish_lsn {
                let said = format!("pg_control is of another time: its checkpoint is at {}", control.checkpoint);
                run.find(Finding::error(Rule::Unfitting, &part.key, said));
            }
            if control.segment_size != run.catalog.size {
                run.find(Finding::error(Rule::Unfitting, &part.key, "pg_control says another size of segments"));
            }
        }
        if let Some(Label { label, map }) = &part.label {
            if label.start != backup.sentinel.start_lsn || label.timeline != backup.timeline() {
                let said =
                    format!("backup_label is of a backup that began at {} on timeline {}", label.start, label.timeline);
                run.find(Finding::error(Rule::Unfitting, &part.key, said));
            }
            let spec = backup.sentinel.spec.as_ref().map(|spec| spec.locations.clone()).unwrap_or_default();
            let map: std::collections::BTreeMap<String, String> =
                map.0.iter().map(|(oid, path)| (oid.to_string(), path.clone())).collect();
            if spec != map {
                run.find(Finding::error(
                    Rule::Unfitting,
                    &part.key,
                    "tablespace_map and the sentinel name other tablespaces",
                ));
            }
        }
    }
    // The parts themselves are missed by their names; here one is there, and hasn't what it is for.
    let holds = |stem: &str, has: &dyn Fn(&Found) -> bool| {
        for part in found {
            if matches!(run.inventory.object(&part.key), Object::Part { name, .. } if Codec::of_name(&name).0 == stem)
                && !has(part)
            {
                run.find(Finding::error(
                    Rule::Missing,
                    &part.key,
                    format!("there is no {} in it", stem.trim_end_matches(".tar")),
                ));
            }
        }
    };
    holds("pg_control.tar", &|part| part.control.is_some());
    holds("backup_label.tar", &|part| part.label.is_some());
}
