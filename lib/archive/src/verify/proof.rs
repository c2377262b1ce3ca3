//! Proof of backups that WAL-G made for a push that was cut off: their sums, written when everything that
//! a restore needs was read and is sound.

use flotilla::Result;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{Finding, Rule, Run, strays};
use crate::catalog::Backup;
use crate::documents::Sidecar;
use crate::names::{self, BackupName};
use crate::wal::History;

/// Tells of a backup that is unproven, or stands on one. One that is being read back right now is news
/// alone.
pub(super) fn told(run: &Run, backup: &Backup) {
    if run.options.prove {
        return;
    }
    let key = names::sentinel(&backup.name);
    let Err(broken) = run.catalog.chain(backup) else { return };
    let (documents, parts) = run.inventory.of_backup(&backup.name);
    let written = documents.iter().chain(&parts).flat_map(|key| [key.clone(), names::sidecar(key)]);
    let newest = written.filter_map(|key| run.inventory.get(&key)).map(|meta| meta.modified).max();
    let is_at_work = newest.is_some_and(|newest| strays::is_young(run, newest));
    let said = format!("it can't be restored: {broken}");
    run.find(if is_at_work {
        Finding::info(Rule::Unproven, &key, said)
    } else {
        Finding::warning(Rule::Unproven, &key, said)
    });
}

/// Proves what can be proven. Parents come before their deltas.
pub(super) async fn write(run: &Run) -> Result<()> {
    let mut proven = Vec::new();
    for backup in run.catalog.backups.iter().filter(|backup| run.catalog.unproven.contains(&backup.name)) {
        let key = names::sentinel(&backup.name);
        if let Some(why) = hindrance(run, backup, &proven) {
            run.find(Finding::warning(Rule::Unproven, &key, format!("it can't be proven: {why}")));
        } else {
            sums(run, backup).await?;
            proven.push(&backup.name);
            run.find(Finding::info(Rule::Unproven, &key, "all of it was read and is sound: it is proven now"));
        }
    }
    run.shared().summary.proven = proven.len() as u64;
    Ok(())
}

/// Why a backup can't be proven.
fn hindrance(run: &Run, backup: &Backup, proven: &[&BackupName]) -> Option<String> {
    let chain = match run.catalog.linked(backup) {
        Ok(chain) => chain,
        Err(broken) => return Some(broken.to_string()),
    };
    let in_doubt = |below: &&&Backup| {
        below.name != backup.name && run.catalog.unproven.contains(&below.name) && !proven.contains(&&below.name)
    };
    if let Some(below) = chain.iter().find(in_doubt) {
        return Some(format!("it stands on {}, which isn't proven", below.name));
    }
    let shared = run.shared();
    let is_its = |key: &&String| run.inventory.object(key).backup() == Some(&backup.name);
    if let Some(key) = shared.faulty.iter().find(is_its) {
        return Some(format!("see what was found of \"{key}\""));
    }
    let (documents, parts) = run.inventory.of_backup(&backup.name);
    if let Some(key) = documents.iter().chain(&parts).find(|key| !shared.proofs.contains_key(*key)) {
        return Some(format!("\"{key}\" could not be read"));
    }
    let way = run.catalog.way_to(backup.timeline()).unwrap_or_else(|| History::first(backup.timeline()));
    let mut log = way.segments(backup.sentinel.start_lsn, backup.sentinel.finish_lsn, run.catalog.size);
    let is_sound = |key: &str| !shared.faulty.contains(key);
    let lost = log.find(|segment| !run.catalog.segment(*segment).is_some_and(|object| is_sound(&object.key())));
    lost.map(|segment| format!("segment {segment}, which it needs, isn't there or isn't sound"))
}

/// Writes the sums of every object, those of the sentinel last.
async fn sums(run: &Run, backup: &Backup) -> Result<()> {
    let (documents, parts) = run.inventory.of_backup(&backup.name);
    let sentinel = names::sentinel(&backup.name);
    let rest = documents.into_iter().filter(|key| *key != sentinel).chain(parts);
    let writes = stream::iter(rest).map(|key| async move { one(run, &key).await });
    writes.buffer_unordered(run.archive.parallelism()).try_collect::<Vec<()>>().await?;
    one(run, &sentinel).await
}

async fn one(run: &Run, key: &str) -> Result<()> {
    let Some((stored, content)) = run.shared().proofs.get(key).copied() else { return Ok(()) };
    run.archive.write_sums(&Sidecar::new(key, stored, Some(content.into()), run.system)).await
}
