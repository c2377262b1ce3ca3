//! The plan.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use flotilla::Result;
use futures_util::TryStreamExt as _;

use super::Intent;
use crate::archive::Archive;
use crate::catalog::{Backup, Catalog};
use crate::names::{self, BackupName, Object};
use crate::store::{Entry, Listing};
use crate::wal::{History, Timeline};

/// What is to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The newest full backups, with all that stand on them.
    pub full: Option<usize>,
    /// What it takes to restore any moment of so many days.
    pub days: Option<u32>,
    /// Restorable full backups that stay whatever else is said; at least one does.
    pub least: usize,
    /// Backups without a sentinel go when nothing was added to them for so long.
    pub garbage_after: Duration,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Why a backup stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is one of the newest.
    Count,
    /// The days that are to be kept begin with it or lie behind it.
    Window,
    /// It is one of the restorable ones that always stay.
    Least,
    /// It is permanent, or a permanent one stands on it.
    Permanent,
    /// A backup that is being made stands on it.
    Underway,
    /// It can't be understood, so nobody knows what stands on it.
    Unreadable,
}

impl Reason {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Window => "window",
            Self::Least => "least",
            Self::Permanent => "permanent",
            Self::Underway => "underway",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A backup that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub name: BackupName,
    /// Why.
    pub reason: Reason,
}

/// Objects that go together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Their keys, in the order in which they go.
    pub keys: Vec<String>,
    /// Their size in bytes.
    pub bytes: u64,
}

/// What goes.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Backups that stay, the oldest first.
    pub kept: Vec<Kept>,
    /// Finished backups, in the order in which they go: none before what stands on it.
    pub backups: Vec<(BackupName, Gone)>,
    /// Backups that were never finished, or whose deletion was cut off.
    pub garbage: Vec<(BackupName, Gone)>,
    /// Files of the log by timeline, with the first and the last.
    pub wal: BTreeMap<Timeline, (String, String, Gone)>,
    /// Sums whose objects were deleted earlier.
    pub sums: Gone,
    /// Segments with a lower number are older than all that stays.
    pub wal_before: u64,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.backups.is_empty() && self.garbage.is_empty() && self.wal.is_empty() && self.sums.keys.is_empty()
    }
}

/// Plans.
pub async fn plan(archive: &Archive, policy: &Policy) -> Result<Plan> {
    // Listed first: what is written from now on isn't in the plan.
    let mut objects: BTreeMap<String, (u64, DateTime<Utc>)> = BTreeMap::new();
    let mut entries = archive.store().list(Listing::of(""));
    while let Some(entry) = entries.try_next().await? {
        if let Entry::Object(meta) = entry {
            objects.insert(meta.key, (meta.size, meta.modified));
        }
    }
    let catalog = Catalog::load(archive).await?;
    let intent = Intent::read(archive).await?;
    let mut plan = Plan::default();
    let size = catalog.size;
    let of = |name: &BackupName| {
        let folder = format!("{}{name}/", names::BACKUPS);
        let inside = objects.range(folder.clone()..).take_while(|(key, _)| key.starts_with(&folder));
        inside.map(|(key, meta)| (key.clone(), *meta)).collect::<Vec<_>>()
    };

    // What was begun and not finished: young ones may be under way, and need their parents and the log.
    let mut underway = Vec::new();
    for name in &catalog.unfinished {
        let inside = of(name);
        let newest = inside.iter().map(|(_, (_, modified))| *modified).max();
        let old =
            newest.is_some_and(|newest| (policy.now - newest).to_std().is_ok_and(|age| age > policy.garbage_after));
        if old || intent.as_ref().is_some_and(|intent| intent.names(name)) {
            let bytes = inside.iter().map(|(_, (bytes, _))| bytes).sum();
            let keys = inside.into_iter().map(|(key, _)| key).collect();
            plan.garbage.push((name.clone(), Gone { keys, bytes }));
        } else {
            underway.push(name.clone());
        }
    }
    let reasons = reasons(&catalog, policy, &underway);
    for backup in catalog.backups.iter().rev() {
        if reasons.contains_key(&backup.name) {
            continue;
        }
        let sentinel = names::sentinel(&backup.name);
        let mut bytes = objects.get(&sentinel).map_or(0, |(bytes, _)| *bytes);
        let mut keys = vec![sentinel];
        for (key, (size, _)) in of(&backup.name) {
            bytes += size;
            keys.push(key);
        }
        plan.backups.push((backup.name.clone(), Gone { keys, bytes }));
    }
    children_first(&catalog, &mut plan.backups);
    for backup in &catalog.backups {
        if let Some(reason) = reasons.get(&backup.name) {
            plan.kept.push(Kept { name: backup.name.clone(), reason: *reason });
        }
    }
    plan.kept
        .extend(catalog.unreadable.iter().map(|(name, _)| Kept { name: name.clone(), reason: Reason::Unreadable }));

    plan.wal_before = wal_before(&catalog, &reasons, &underway);
    let permanent = permanent(&catalog);
    for (key, (bytes, _)) in &objects {
        let (number, timeline, name) = match Object::of(key, size) {
            Object::Wal { file, .. } => match file.number() {
                Some(number) => (number, file.timeline(), file.to_string()),
                // Histories are small, and the way through them may be needed by anything.
                None => continue,
            },
            Object::WalExtra(name) => match extra(&name, size) {
                Some((number, timeline)) => (number, timeline, name),
                None => continue,
            },
            _ => continue,
        };
        if number >= plan.wal_before || permanent.contains(&number) {
            continue;
        }
        let (_, last, gone) = plan.wal.entry(timeline).or_insert_with(|| (name.clone(), name.clone(), Gone::default()));
        *last = name;
        gone.keys.push(key.clone());
        gone.bytes += bytes;
    }
    plan.sums = sums(&objects, &catalog, &plan);
    Ok(plan)
}

/// Why each backup stays that does.
fn reasons(catalog: &Catalog, policy: &Policy, underway: &[BackupName]) -> BTreeMap<BackupName, Reason> {
    let mut reasons: BTreeMap<BackupName, Reason> = BTreeMap::new();
    let fulls: Vec<&Backup> = catalog.backups.iter().filter(|backup| !backup.is_delta()).collect();
    let mut keep = |backup: &Backup, reason| {
        reasons.entry(backup.name.clone()).or_insert(reason);
        for other in catalog.descendants(backup) {
            reasons.entry(other.name.clone()).or_insert(reason);
        }
    };
    let ordinary: Vec<&&Backup> = fulls.iter().filter(|backup| !backup.is_permanent()).collect();
    if let Some(count) = policy.full {
        ordinary.iter().rev().take(count).for_each(|backup| keep(backup, Reason::Count));
    }
    if let Some(days) = policy.days {
        let begin = policy.now - TimeDelta::days(i64::from(days));
        // The newest that was there when the window began, and everything since.
        let first = ordinary.iter().rposition(|backup| backup.finished() <= begin).unwrap_or(0);
        ordinary[first.min(ordinary.len())..].iter().for_each(|backup| keep(backup, Reason::Window));
    }
    let restorable = fulls.iter().rev().filter(|backup| is_restorable(catalog, backup));
    restorable.take(policy.least.max(1)).for_each(|backup| keep(backup, Reason::Least));
    for backup in &catalog.backups {
        let mut chain = |backup: &Backup, reason| {
            // What it stands on; where that is broken, as much as there is.
            let chain = catalog.chain(backup).unwrap_or_else(|_| vec![]);
            for below in chain.iter().map(|below| &below.name).chain([&backup.name]) {
                reasons.entry(below.clone()).or_insert(reason);
            }
        };
        if backup.is_permanent() {
            chain(backup, Reason::Permanent);
        }
        if underway.iter().any(|name| name.parent_digits() == Some(backup.name.start_digits())) {
            chain(backup, Reason::Underway);
        }
    }
    reasons
}

/// Whether its chain and the log that it needs to become consistent are there.
fn is_restorable(catalog: &Catalog, backup: &Backup) -> bool {
    let way = catalog.way_to(backup.timeline()).unwrap_or_else(|| History::first(backup.timeline()));
    let (start, finish) = (backup.sentinel.start_lsn, backup.sentinel.finish_lsn);
    catalog.chain(backup).is_ok()
        && way.segments(start, finish, catalog.size).all(|segment| catalog.segment(segment).is_some())
}

/// The number of the first segment that something which stays needs from there on. 0 where nothing does.
fn wal_before(catalog: &Catalog, reasons: &BTreeMap<BackupName, Reason>, underway: &[BackupName]) -> u64 {
    let number = |name: &BackupName| name.start(catalog.size).map_or(0, |segment| segment.number);
    let kept = catalog.backups.iter().filter(|backup| !backup.is_permanent() && reasons.contains_key(&backup.name));
    let kept = kept.map(|backup| number(&backup.name).min(backup.sentinel.start_lsn.0 / catalog.size.bytes()));
    let others = catalog.unreadable.iter().map(|(name, _)| name).chain(underway).map(number);
    // One that is permanent and alone is what all of the log continues.
    let alone = catalog.backups.iter().all(Backup::is_permanent);
    if alone { 0 } else { kept.chain(others).min().unwrap_or(0) }
}

/// The numbers of the segments that permanent backups need to become consistent.
fn permanent(catalog: &Catalog) -> BTreeSet<u64> {
    let permanent = catalog.backups.iter().filter(|backup| backup.is_permanent());
    let ranges = permanent.map(|backup| {
        let (first, last) = backup.needs(catalog.size);
        first.number.saturating_sub(1)..=last.number
    });
    ranges.flatten().collect()
}

/// The segment that one of WAL-G's extras belongs to; of a map of sixteen segments, the last.
fn extra(name: &str, size: crate::wal::SegmentSize) -> Option<(u64, Timeline)> {
    let segment = crate::wal::Segment::parse(name.get(..24)?, size).ok()?;
    let last = if name.contains("_delta") { 16 } else { 0 };
    Some((segment.number + last, segment.timeline))
}

/// A delta goes before what it stands on: a backup that is listed can be restored at any time.
fn children_first(catalog: &Catalog, backups: &mut [(BackupName, Gone)]) {
    backups.sort_by_key(|(name, _)| {
        let depth = catalog.backup(name).and_then(|backup| backup.sentinel.delta_count).unwrap_or(0);
        std::cmp::Reverse(depth)
    });
}

/// Sums of objects that went before, by this code or by WAL-G, which knows no sums.
fn sums(objects: &BTreeMap<String, (u64, DateTime<Utc>)>, catalog: &Catalog, plan: &Plan) -> Gone {
    let mut gone = Gone::default();
    for (key, (bytes, _)) in objects {
        let Some(object) = names::sidecar_of(key) else { continue };
        if objects.contains_key(&object) {
            continue;
        }
        let old = match Object::of(&object, catalog.size) {
            Object::Wal { file, .. } => file.number().is_some_and(|number| number < plan.wal_before),
            other => other.backup().is_some_and(|name| {
                let is_garbage = plan.garbage.iter().any(|(garbage, _)| garbage == name);
                let is_there = catalog.backup(name).is_some()
                    || catalog.unfinished.contains(name)
                    || catalog.unreadable.iter().any(|(other, _)| other == name);
                is_garbage || !is_there
            }),
        };
        if old {
            gone.keys.push(key.clone());
            gone.bytes += bytes;
        }
    }
    gone
}
