//! Deletes what is planned.

use std::collections::BTreeSet;

use chrono::Utc;
use flotilla::{Code, Error, Result, failpoint};
use futures_util::TryStreamExt as _;
use tokio::time::Instant;

use super::intent::RENEWAL;
use super::{By, Gone, Group, Intent, Plan, Policy, WalGone, clock, plan, probe};
use crate::archive::Archive;
use crate::names::{self, BackupName, DumpName, Object};
use crate::objects::KeyMap;
use crate::store::{Entry, Listing};

/// How many objects are deleted at once.
const AT_ONCE: usize = 500;
/// How often a plan is made anew because the archive has changed meanwhile.
const ATTEMPTS: usize = 3;

/// A step that was done.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// What will be done, as it is known when nothing can be added any more.
    Planned(&'a Plan),
    /// A backup is gone.
    Backup(&'a Gone),
    /// A chain stays after all: a backup that stands on it has been begun.
    Spared(&'a Group),
    /// A backup that was never finished is gone.
    Garbage(&'a Gone),
    /// A logical dump is gone.
    Dump(&'a Gone<DumpName>),
    /// A logical dump that was never finished is gone.
    DumpGarbage(&'a Gone<DumpName>),
    /// Old files of a timeline's log are gone.
    Wal(&'a WalGone),
    /// Sums of what had gone are gone.
    Sums(&'a KeyMap<u64>),
}

/// What deleting came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether anything was deleted, or what another run had begun was ended.
    pub changed: bool,
    /// Chains that stayed after all.
    pub spared: usize,
}

/// Deletes what the policy lets go, and tells of each step when it is done. Each backup's sentinel goes
/// first, so that what is listed can be restored at any time; the log goes last. `outcome` is true of
/// what was done also when this ends in an error.
///
/// Failpoints: `retain.intent`, `retain.sentinel`, `retain.parts`, `retain.backup`, `retain.garbage`,
/// `retain.wal`, `retain.wal_sums`, `retain.sums`.
pub async fn delete(
    archive: &Archive,
    policy: &Policy,
    by: &By,
    outcome: &mut Outcome,
    done: &mut (dyn FnMut(Step<'_>) -> Result<()> + Send),
) -> Result<()> {
    let first = plan(archive, policy).await?;
    if first.is_empty() {
        done(Step::Planned(&first))?;
        // Everything that an earlier run had begun is done.
        if Intent::read(archive).await?.is_some() {
            let now = probe::clock(archive).await?;
            Intent::check_alone(archive, by, now).await?;
            Intent::remove(archive).await?;
            outcome.changed = true;
        }
        return Ok(());
    }
    let store = probe::clock(archive).await?;
    clock::compare(store, Utc::now())?;
    Intent::check_alone(archive, by, store).await?;
    let before = Intent::read(archive).await?;
    let mut intent = Intent::of(&first, by);
    intent.write(archive).await?;
    failpoint::hit("retain.intent");
    let mut claim = Claim { archive, by, intent: intent.clone(), before, renewed: Instant::now() };
    let mut settled = None;
    // It may be long.
    drop(first);
    for _ in 0..ATTEMPTS {
        let again = plan(archive, policy).await;
        let again = match again {
            Ok(again) => again,
            Err(error) => return Err(claim.give_up(error).await),
        };
        let needed = Intent::of(&again, by);
        if intent.holds(&needed) {
            settled = Some(again);
            break;
        }
        intent = intent.with(needed);
        intent.write(archive).await?;
        claim.intent = intent.clone();
    }
    let Some(settled) = settled else {
        let moved = Error::new(Code::LockHeld, "the archive changes faster than it is read; nothing was deleted")
            .hint("Run it again when no other retention is at work there.");
        return Err(claim.give_up(moved).await);
    };
    if let Err(error) = done(Step::Planned(&settled)) {
        return Err(claim.give_up(error).await);
    }
    match all(&mut claim, &settled, outcome, done).await {
        Ok(()) => Intent::remove(archive).await,
        // What was begun is to be completed.
        Err(error) if outcome.changed => Err(error),
        Err(error) => Err(claim.give_up(error).await),
    }
}

async fn all(
    claim: &mut Claim<'_>,
    plan: &Plan,
    outcome: &mut Outcome,
    done: &mut (dyn FnMut(Step<'_>) -> Result<()> + Send),
) -> Result<()> {
    let archive = claim.archive;
    for gone in &plan.garbage {
        if clear(claim, &names::sentinel(&gone.name), &gone.keys, outcome).await? {
            done(Step::Garbage(gone))?;
        }
    }
    for gone in &plan.dump_garbage {
        if clear(claim, &gone.name.document(), &gone.keys, outcome).await? {
            done(Step::DumpGarbage(gone))?;
        }
    }
    for gone in &plan.dumps {
        claim.renew().await?;
        retire(claim, &gone.keys, outcome).await?;
        done(Step::Dump(gone))?;
    }
    for group in &plan.groups {
        claim.renew().await?;
        if is_in_use(archive, plan, group).await? {
            outcome.spared += 1;
            done(Step::Spared(group))?;
            continue;
        }
        for gone in &group.backups {
            retire(claim, &gone.keys, outcome).await?;
            done(Step::Backup(gone))?;
        }
    }
    // A chain that stays needs the log that would have gone with it.
    let wal: &[WalGone] = if outcome.spared > 0 { &[] } else { &plan.wal };
    for gone in wal {
        let mut keys = gone.keys.iter().map(|(key, _)| key);
        loop {
            let some: Vec<String> = keys.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                break;
            }
            claim.renew().await?;
            outcome.changed = true;
            remove(archive, &some).await?;
            failpoint::hit("retain.wal");
            remove_sums(archive, &some).await?;
            failpoint::hit("retain.wal_sums");
        }
        done(Step::Wal(gone))?;
    }
    if !plan.sums.is_empty() {
        outcome.changed = true;
        let mut keys = plan.sums.iter().map(|(key, _)| key);
        loop {
            let some: Vec<String> = keys.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                break;
            }
            claim.renew().await?;
            remove(archive, &some).await?;
        }
        done(Step::Sums(&plan.sums))?;
    }
    failpoint::hit("retain.sums");
    Ok(())
}

/// The note that says who deletes what.
struct Claim<'a> {
    archive: &'a Archive,
    by: &'a By,
    intent: Intent,
    /// What an earlier run has left.
    before: Option<Intent>,
    renewed: Instant,
}

impl Claim<'_> {
    /// Says so again where that is due; ends when somebody else has taken over.
    async fn renew(&mut self) -> Result<()> {
        if self.renewed.elapsed() < RENEWAL {
            return Ok(());
        }
        if !Intent::is_ours(self.archive, self.by).await? {
            return Err(Error::new(Code::StateMoved, "somebody else has begun to retire backups of this archive")
                .hint("What was begun is completed by them, or by the next run."));
        }
        self.intent.write(self.archive).await?;
        self.renewed = Instant::now();
        Ok(())
    }

    /// Takes the note back: nothing was deleted.
    async fn give_up(self, error: Error) -> Error {
        let back = match &self.before {
            Some(before) => before.write(self.archive).await,
            None => Intent::remove(self.archive).await,
        };
        if let Err(left) = back {
            tracing::warn!("the note of what was to be deleted stays until the next run: {left}");
        }
        error
    }
}

/// Whether a backup has been begun since, by whoever doesn't look at the note, that stands on one of these.
async fn is_in_use(archive: &Archive, plan: &Plan, group: &Group) -> Result<bool> {
    let going: BTreeSet<&BackupName> = group.backups.iter().map(|gone| &gone.name).collect();
    let mut entries = archive.store().list(Listing::of(names::BACKUPS).flat());
    while let Some(entry) = entries.try_next().await? {
        let name = match &entry {
            Entry::Folder(key) => {
                key.strip_prefix(names::BACKUPS).and_then(|name| name.strip_suffix('/')?.parse::<BackupName>().ok())
            }
            Entry::Object(meta) => match Object::of(&meta.key, crate::wal::SegmentSize::DEFAULT) {
                Object::Sentinel(name) => Some(name),
                _ => None,
            },
        };
        let Some(name) = name.filter(|name| !plan.seen.contains(name)) else { continue };
        if going.iter().any(|parent| name.parent_digits() == Some(parent.start_digits())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes what was never finished; false where it has been finished this moment after all, by a program that
/// doesn't look at the note.
async fn clear(claim: &mut Claim<'_>, mark: &str, keys: &[String], outcome: &mut Outcome) -> Result<bool> {
    claim.renew().await?;
    match claim.archive.store().head(mark).await {
        Ok(_) => return Ok(false),
        Err(error) if error.is_absent() => {}
        Err(error) => return Err(error.into()),
    }
    outcome.changed = true;
    parts(claim, keys).await?;
    remove_sums(claim.archive, keys).await?;
    failpoint::hit("retain.garbage");
    Ok(true)
}

/// Deletes what is listed: first that with which it is, so that nothing is listed that has gone in part.
async fn retire(claim: &mut Claim<'_>, keys: &[String], outcome: &mut Outcome) -> Result<()> {
    let (mark, rest) = keys.split_at(1);
    remove(claim.archive, mark).await?;
    outcome.changed = true;
    failpoint::hit("retain.sentinel");
    parts(claim, rest).await?;
    remove_sums(claim.archive, keys).await?;
    failpoint::hit("retain.backup");
    Ok(())
}

/// Deletes what a sentinel has made a backup.
async fn parts(claim: &mut Claim<'_>, keys: &[String]) -> Result<()> {
    for some in keys.chunks(AT_ONCE.min(keys.len().div_ceil(2).max(1))) {
        claim.renew().await?;
        remove(claim.archive, some).await?;
        failpoint::hit("retain.parts");
    }
    Ok(())
}

async fn remove(archive: &Archive, keys: &[String]) -> Result<()> {
    Ok(archive.store().delete(keys.iter().map(String::as_str)).await?)
}

async fn remove_sums(archive: &Archive, keys: &[String]) -> Result<()> {
    let sums: Vec<String> = keys.iter().map(|key| names::sidecar(key)).collect();
    for some in sums.chunks(AT_ONCE) {
        remove(archive, some).await?;
    }
    Ok(())
}
