//! Which backups stay, and from where on the log does.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use flotilla::Result;

use super::sound::Soundness;
use super::{Policy, Reason, clock};
use crate::catalog::{Backup, Catalog, WalObject};
use crate::names::BackupName;
use crate::objects::Objects;
use crate::wal::{History, Timeline};

/// What stays.
pub(super) struct Keep<'a> {
    catalog: &'a Catalog,
    /// Backups, and why.
    pub(super) reasons: BTreeMap<BackupName, Reason>,
    /// Those from which the log is replayed as far as it goes, not to where they are consistent.
    from: BTreeSet<BackupName>,
    /// Backups that are being made.
    underway: Vec<BackupName>,
    /// Whether any full backup can be restored.
    pub(super) is_restorable: bool,
    /// Whether nothing says what is to be kept, so that everything is.
    is_unruled: bool,
}

/// Decides.
pub(super) async fn decide<'a>(
    catalog: &'a Catalog,
    objects: &'a Objects,
    sound: &mut Soundness<'a>,
    policy: &Policy,
    underway: &[BackupName],
) -> Result<Keep<'a>> {
    let mut keep = Keep {
        catalog,
        reasons: BTreeMap::new(),
        from: BTreeSet::new(),
        underway: underway.to_vec(),
        is_restorable: false,
        is_unruled: policy.full.is_none() && policy.days.is_none(),
    };
    if keep.is_unruled {
        for backup in &catalog.backups {
            keep.reasons.insert(backup.name.clone(), Reason::Unruled);
        }
        return Ok(keep);
    }
    let mut fulls: Vec<&Backup> = catalog.backups.iter().filter(|backup| !backup.is_delta()).collect();
    // By time: after a restore to the past, positions of the WAL are older than those of before.
    fulls.sort_by_key(|backup| (backup.finished(), backup.sentinel.start_lsn));
    if let Some(count) = policy.full {
        let is_proven = |backup: &Backup| !catalog.unproven.contains(&backup.name);
        let ordinary = fulls.iter().rev().filter(|backup| !backup.is_permanent() && is_proven(backup));
        ordinary.take(count).for_each(|backup| keep.group(backup, Reason::Count, true));
    }
    if let Some(days) = policy.days {
        let begin = clock::latest(objects, policy.now) - TimeDelta::days(i64::from(days));
        keep.window(sound, begin).await?;
    }
    keep.least(sound, &fulls, policy.least.max(1)).await?;
    keep.unproven();
    keep.newest();
    keep.needed_by_others();
    keep.permanent();
    keep.broken();
    Ok(keep)
}

impl<'a> Keep<'a> {
    fn number(&self, backup: &Backup) -> u64 {
        let by_position = backup.sentinel.start_lsn.0 / self.catalog.size.bytes();
        backup.name.start(self.catalog.size).map_or(0, |segment| segment.number).min(by_position)
    }

    /// The full backup at the start of its chain, as far down as there is one.
    fn root<'b>(&self, backup: &'b Backup) -> &'b Backup
    where
        'a: 'b,
    {
        let mut at = backup;
        // A chain has no more links than there are backups.
        for _ in 0..self.catalog.backups.len() {
            let parent = at.sentinel.delta_from.as_ref().and_then(|name| name.parse().ok());
            match parent.and_then(|name| self.catalog.backup(&name)) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        at
    }

    /// Keeps a backup with everything that its chain is of, and the log from there on where that is meant.
    fn group(&mut self, backup: &Backup, reason: Reason, with_log: bool) {
        let root = self.root(backup);
        let all = [root].into_iter().chain(self.catalog.descendants(root));
        let names: Vec<BackupName> = all.map(|backup| backup.name.clone()).collect();
        for name in names {
            if with_log {
                self.from.insert(name.clone());
            }
            self.reasons.entry(name).or_insert(reason);
        }
    }

    /// Keeps what was there when the days began, for each way that the log took since, and all since.
    async fn window(&mut self, sound: &mut Soundness<'_>, begin: DateTime<Utc>) -> Result<()> {
        let catalog = self.catalog;
        let since: Vec<&Backup> = catalog.backups.iter().filter(|backup| self.there_at(backup) > begin).collect();
        for backup in since {
            self.group(backup, Reason::Window, true);
        }
        for timeline in catalog.timelines() {
            let way = catalog.way_to(timeline).unwrap_or_else(|| History::first(timeline));
            if !self.is_young(&way, begin) {
                continue;
            }
            let on_way = catalog.backups.iter().rev().filter(|backup| self.is_on(&way, backup));
            let before: Vec<&Backup> = on_way.filter(|backup| self.there_at(backup) <= begin).collect();
            let mut first = None;
            for backup in &before {
                if sound.is_restorable(backup).await? {
                    first = Some(*backup);
                    break;
                }
            }
            // One that seems broken is better than none.
            if let Some(backup) = first.or(before.first().copied()) {
                self.group(backup, Reason::Window, true);
            }
        }
        Ok(())
    }

    /// Whether the way's log goes on behind the beginning.
    fn is_young(&self, way: &History, begin: DateTime<Utc>) -> bool {
        let timelines: BTreeSet<Timeline> = way.spans().iter().map(|span| span.timeline).collect();
        let is_young = |object: WalObject| timelines.contains(&object.file.timeline()) && object.written >= begin;
        self.catalog.wal.iter().any(is_young)
    }

    fn is_on(&self, way: &History, backup: &Backup) -> bool {
        way.segment(self.number(backup), self.catalog.size).timeline == backup.timeline()
            || way.leaves(backup.timeline()).is_some_and(|left| backup.sentinel.start_lsn < left)
    }

    /// When it could be restored: its log may have come later than it ended.
    fn there_at(&self, backup: &Backup) -> DateTime<Utc> {
        let (_, last) = backup.needs(self.catalog.size);
        let written = self.catalog.segment(last).map(|object| object.written);
        written.map_or(backup.finished(), |written| written.max(backup.finished()))
    }

    /// Keeps the newest that can be restored. A permanent one among them is redundancy enough, but the log
    /// since then is kept for the newest of all alone.
    async fn least(&mut self, sound: &mut Soundness<'_>, fulls: &[&Backup], least: usize) -> Result<()> {
        let mut found = 0;
        for backup in fulls.iter().rev() {
            if found == least {
                break;
            }
            if sound.is_restorable(backup).await? {
                self.group(backup, Reason::Least, found == 0 || !backup.is_permanent());
                found += 1;
            }
        }
        self.is_restorable = found > 0;
        Ok(())
    }

    /// Keeps what nobody has proven yet, with what it stands on: it counts for nothing else.
    fn unproven(&mut self) {
        let catalog = self.catalog;
        for backup in catalog.backups.iter().filter(|backup| catalog.unproven.contains(&backup.name)) {
            self.group(backup, Reason::Unproven, true);
        }
    }

    /// Keeps what a delta would be made on, by whoever's idea of the newest.
    fn newest(&mut self) {
        let catalog = self.catalog;
        let newest = [
            catalog.newest(),
            catalog.backups.iter().max_by_key(|backup| backup.written),
            catalog.backups.iter().max_by_key(|backup| backup.finished()),
        ];
        for backup in newest.into_iter().flatten() {
            self.group(backup, Reason::Newest, true);
        }
    }

    /// Keeps what backups that are being made, or that can't be understood, may stand on.
    fn needed_by_others(&mut self) {
        let catalog = self.catalog;
        let unreadable = catalog.unreadable.iter().map(|(name, _)| (name, Reason::Unreadable));
        let underway = self.underway.clone();
        for (name, reason) in unreadable.chain(underway.iter().map(|name| (name, Reason::Underway))) {
            for backup in &catalog.backups {
                let is_parent = name.parent_digits() == Some(backup.name.start_digits());
                let stands_on_it = backup.sentinel.delta_from.as_deref() == Some(name.as_str());
                if is_parent || stands_on_it {
                    self.group(backup, reason, true);
                }
            }
        }
    }

    /// Keeps permanent backups and what they stand on.
    fn permanent(&mut self) {
        for backup in self.catalog.backups.iter().filter(|backup| backup.is_permanent()) {
            let chain = self.catalog.chain(backup).unwrap_or_else(|_| vec![self.root(backup)]);
            let names: Vec<BackupName> = chain.iter().map(|below| below.name.clone()).collect();
            for name in names.into_iter().chain([backup.name.clone()]) {
                self.reasons.entry(name).or_insert(Reason::Permanent);
            }
        }
    }

    /// Keeps deltas whose full backup is gone while they, or what stands on them, are younger than what is
    /// kept: what has deleted it may be at work still.
    fn broken(&mut self) {
        let before = self.wal_before();
        let catalog = self.catalog;
        let is_orphan = |backup: &&Backup| backup.is_delta() && self.root(backup).name == backup.name;
        let orphans: Vec<&Backup> = catalog.backups.iter().filter(is_orphan).collect();
        for orphan in orphans {
            let all: Vec<&Backup> = [orphan].into_iter().chain(catalog.descendants(orphan)).collect();
            if all.iter().any(|backup| self.number(backup) >= before) {
                for backup in all {
                    self.reasons.entry(backup.name.clone()).or_insert(Reason::Broken);
                }
            }
        }
    }

    /// The number of the segment from which on all of the log stays. 0 where nothing says so.
    pub(super) fn wal_before(&self) -> u64 {
        if self.is_unruled {
            return 0;
        }
        let kept = self.catalog.backups.iter().filter(|backup| self.from.contains(&backup.name));
        let others = self.catalog.unreadable.iter().map(|(name, _)| name).chain(&self.underway);
        let others = others.map(|name| name.start(self.catalog.size).map_or(0, |segment| segment.number));
        let known = kept.map(|backup| self.number(backup)).min();
        // The log goes on from a backup, or nobody knows from where.
        known.map_or(0, |known| others.fold(known, u64::min))
    }

    /// The numbers of older segments that backups which stay need to become consistent.
    pub(super) fn needed(&self) -> BTreeSet<u64> {
        let kept = self.catalog.backups.iter().filter(|backup| self.reasons.contains_key(&backup.name));
        let ranges = kept.map(|backup| {
            let (first, last) = backup.needs(self.catalog.size);
            first.number.min(self.number(backup))..=last.number
        });
        ranges.flatten().collect()
    }

    /// When the oldest that the log is kept for could be restored.
    pub(super) fn since(&self) -> Option<DateTime<Utc>> {
        let kept = self.catalog.backups.iter().filter(|backup| self.from.contains(&backup.name));
        kept.map(Backup::finished).min()
    }
}
