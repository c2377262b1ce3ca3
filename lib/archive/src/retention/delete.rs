//! Deletes what is planned.

use flotilla::{Result, failpoint};

use super::{Intent, Plan};
use crate::archive::Archive;
use crate::names::{self, BackupName};
use crate::wal::Timeline;

/// How many objects are deleted at once.
const AT_ONCE: usize = 500;

/// A step that was done.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// A backup is gone.
    Backup(&'a BackupName),
    /// A backup that was never finished is gone.
    Garbage(&'a BackupName),
    /// Old files of a timeline's log are gone.
    Wal(Timeline),
    /// Sums of what had gone are gone.
    Sums,
}

/// Deletes what is planned, and tells of each step when it is done. Each backup's sentinel goes first,
/// so that what is listed can be restored at any time; sums go last.
///
/// Failpoints: `retain.intent`, `retain.sentinel`, `retain.parts`, `retain.backup`, `retain.wal`,
/// `retain.sums`.
pub async fn delete(
    archive: &Archive,
    plan: &Plan,
    done: &mut (dyn FnMut(Step<'_>) -> Result<()> + Send),
) -> Result<()> {
    if plan.is_empty() {
        return Ok(());
    }
    let all = plan.backups.iter().chain(&plan.garbage);
    let intent = Intent::new(all.clone().map(|(name, _)| name.clone()), plan.wal_before);
    intent.write(archive).await?;
    failpoint::hit("retain.intent");
    for (name, gone) in &plan.backups {
        let (sentinel, rest) = gone.keys.split_at(1);
        remove(archive, sentinel).await?;
        failpoint::hit("retain.sentinel");
        for some in rest.chunks(AT_ONCE.min(rest.len().div_ceil(2).max(1))) {
            remove(archive, some).await?;
            failpoint::hit("retain.parts");
        }
        remove_sums(archive, &gone.keys).await?;
        failpoint::hit("retain.backup");
        done(Step::Backup(name))?;
    }
    for (name, gone) in &plan.garbage {
        remove(archive, &gone.keys).await?;
        remove_sums(archive, &gone.keys).await?;
        done(Step::Garbage(name))?;
    }
    for (timeline, (_, _, gone)) in &plan.wal {
        for some in gone.keys.chunks(AT_ONCE) {
            remove(archive, some).await?;
            failpoint::hit("retain.wal");
            remove_sums(archive, some).await?;
        }
        done(Step::Wal(*timeline))?;
    }
    if !plan.sums.keys.is_empty() {
        remove(archive, &plan.sums.keys).await?;
        done(Step::Sums)?;
    }
    failpoint::hit("retain.sums");
    Intent::remove(archive).await
}

async fn remove(archive: &Archive, keys: &[String]) -> Result<()> {
    Ok(archive.store().delete(keys.iter().map(String::as_str)).await?)
}

async fn remove_sums(archive: &Archive, keys: &[String]) -> Result<()> {
    let sums: Vec<String> = keys.iter().map(|key| names::sidecar(key)).collect();
    remove(archive, &sums).await
}
