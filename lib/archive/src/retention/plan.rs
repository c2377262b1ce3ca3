//! The plan.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use flotilla::{Code, Error, Result};

use super::keep::{Keep, decide};
use super::sound::Soundness;
use super::{Intent, Policy, Reason, clock, dumps};
use crate::archive::Archive;
use crate::catalog::Catalog;
use crate::names::{self, BackupName, DumpName, Object};
use crate::objects::{KeyMap, Objects};
use crate::wal::{Segment, SegmentSize, Timeline};

/// A backup, or a dump, that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<N = BackupName> {
    /// Its name.
    pub name: N,
    /// Why.
    pub reason: Reason,
    /// When it ended; of one that can't be understood or isn't finished, unknown.
    pub finished: Option<DateTime<Utc>>,
}

/// A backup, or a dump, that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone<N = BackupName> {
    /// Its name.
    pub name: N,
    /// The keys of its objects: the sentinel or the document first, where there is one.
    pub keys: Vec<String>,
    /// Their size in bytes.
    pub bytes: u64,
    /// When it ended.
    pub finished: Option<DateTime<Utc>>,
}

/// Finished backups that go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The backups: none before what stands on it.
    pub backups: Vec<Gone>,
}

/// Files of a timeline's log that go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalGone {
    /// The timeline.
    pub timeline: Timeline,
    /// The name of the first.
    pub first: String,
    /// The name of the last.
    pub last: String,
    /// The keys, the oldest first, with their size in bytes.
    pub keys: KeyMap<u64>,
    /// Their size in bytes.
    pub bytes: u64,
}

/// What goes, and what stays.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Backups that stay, the oldest first.
    pub kept: Vec<Kept>,
    /// Finished backups that go.
    pub groups: Vec<Group>,
    /// Backups that were never finished, or whose deletion was cut off.
    pub garbage: Vec<Gone>,
    /// Logical dumps that stay, the oldest first.
    pub kept_dumps: Vec<Kept<DumpName>>,
    /// Logical dumps that go.
    pub dumps: Vec<Gone<DumpName>>,
    /// Those that were never finished, or whose deletion was cut off.
    pub dump_garbage: Vec<Gone<DumpName>>,
    /// The log that goes.
    pub wal: Vec<WalGone>,
    /// The keys of sums whose objects were deleted earlier, and their size.
    pub sums: KeyMap<u64>,
    /// Objects that nobody knows, and their size. They stay.
    pub unknown: Vec<(String, u64)>,
    /// Segments with a lower number are older than all that stays.
    pub wal_before: u64,
    /// When the oldest backup that the log is kept for ended.
    pub since: Option<DateTime<Utc>>,
    /// Every backup of which there was anything when this was planned.
    pub(super) seen: BTreeSet<BackupName>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let dumps = self.dumps.is_empty() && self.dump_garbage.is_empty();
        self.groups.is_empty() && self.garbage.is_empty() && dumps && self.wal.is_empty() && self.sums.is_empty()
    }
}

/// Plans. Changes nothing.
pub async fn plan(archive: &Archive, policy: &Policy) -> Result<Plan> {
    // Listed first: what is written from now on isn't in the plan.
    let objects = Objects::list(archive).await?;
    let catalog = Catalog::load(archive).await?;
    let objects = objects.sized(catalog.size);
    check_names(&catalog)?;
    check_system(archive, &catalog).await?;
    clock::check(&catalog, &objects, policy.now)?;
    let intent = Intent::read(archive).await?;
    let (garbage, underway) = unfinished(&catalog, &objects, policy, intent.as_ref());
    let mut sound = Soundness::new(archive, &catalog, &objects);
    let keep = decide(&catalog, &objects, &mut sound, policy, &underway).await?;
    let mut plan = Plan { garbage, wal_before: keep.wal_before(), since: keep.since(), ..Plan::default() };
    for backup in &catalog.backups {
        if let Some(reason) = keep.reasons.get(&backup.name) {
            plan.kept.push(Kept { name: backup.name.clone(), reason: *reason, finished: Some(backup.finished()) });
        }
    }
    let unknown = |name: &BackupName, reason| Kept { name: name.clone(), reason, finished: None };
    plan.kept.extend(catalog.unreadable.iter().map(|(name, _)| unknown(name, Reason::Unreadable)));
    plan.kept.extend(underway.iter().map(|name| unknown(name, Reason::Underway)));
    let finished = catalog.backups.iter().map(|backup| &backup.name);
    let others = catalog.unreadable.iter().map(|(name, _)| name).chain(&catalog.unfinished);
    plan.seen = finished.chain(others).cloned().collect();
    plan.groups = groups(&catalog, &objects, &keep);
    plan.wal = wal(&objects, &catalog, &keep);
    let takes_something = !plan.groups.is_empty() || !plan.wal.is_empty();
    if takes_something && !keep.is_restorable {
        return Err(Error::refused("no full backup in the archive can be restored; nothing was touched")
            .hint("`walg-wrap verify` says why. Take a new one with `walg-wrap push` before old ones go."));
    }
    let decided = dumps::decide(archive, &objects, policy, intent.as_ref()).await?;
    (plan.kept_dumps, plan.dumps, plan.dump_garbage) = (decided.kept, decided.gone, decided.garbage);
    plan.sums = sums(&objects, &catalog, &keep, &plan, &decided.seen);
    let strangers = objects.iter().filter(|(key, _)| matches!(objects.of(key), Object::Unknown(_)));
    plan.unknown = strangers.map(|(key, facts)| (key, facts.size)).collect();
    Ok(plan)
}

/// Refuses an archive whose segments are of another size than is known of it: what is old goes by their
/// numbers.
fn check_names(catalog: &Catalog) -> Result<()> {
    let bytes = catalog.size.bytes();
    let fits = |name: &BackupName, at: u64| {
        name.start(catalog.size)
            .is_ok_and(|segment| segment.number == at / bytes || segment.number == at.saturating_sub(1) / bytes)
    };
    match catalog.backups.iter().find(|backup| !fits(&backup.name, backup.sentinel.start_lsn.0)) {
        None => Ok(()),
        Some(backup) => Err(Error::refused(format!(
            "{} begins at {}, which isn't where segments of {bytes} bytes have its name; nothing was touched",
            backup.name, backup.sentinel.start_lsn
        ))
        .hint("Segments of another size are known from the first file that `walg-wrap wal-push` archives.")),
    }
}

/// Refuses an archive that several clusters have written to.
async fn check_system(archive: &Archive, catalog: &Catalog) -> Result<()> {
    let pin = archive.pin().await?.map(|pin| pin.system_identifier);
    let said = catalog.backups.iter().filter_map(|backup| backup.sentinel.system_identifier);
    let all: BTreeSet<String> = said.map(|system| system.to_string()).chain(pin).collect();
    if all.len() < 2 {
        return Ok(());
    }
    let all: Vec<String> = all.into_iter().collect();
    let what = format!("the archive holds backups of several systems ({}); nothing was touched", all.join(", "));
    Err(Error::new(Code::WrongSystem, what)
        .hint("Find out who else writes there: of their WAL, files of the same name have replaced each other.")
        .exits(flotilla::exit::Exit::Refused))
}

/// What was begun and not finished: what is to be cleared away, and what may be under way.
fn unfinished(
    catalog: &Catalog,
    objects: &Objects,
    policy: &Policy,
    intent: Option<&Intent>,
) -> (Vec<Gone>, Vec<BackupName>) {
    let (mut garbage, mut underway) = (Vec::new(), Vec::new());
    let latest = clock::latest(objects, policy.now);
    for name in &catalog.unfinished {
        let inside: Vec<_> = objects.of_backup(name).collect();
        let newest = inside.iter().map(|(_, facts)| facts.modified).max();
        let age = newest.map(|newest| (latest - newest).to_std().unwrap_or_default());
        let is_cut_off = intent.is_some_and(|intent| intent.names(name));
        match age {
            // A folder with nothing of ours in it, or one that has appeared this moment.
            None if objects.below(&format!("{}{name}/", names::BACKUPS)).next().is_some() => {}
            Some(age) if is_cut_off || age > policy.garbage_after => {
                let bytes = inside.iter().map(|(_, facts)| facts.size).sum();
                let keys = inside.into_iter().map(|(key, _)| key).collect();
                garbage.push(Gone { name: name.clone(), keys, bytes, finished: None });
            }
            _ => underway.push(name.clone()),
        }
    }
    (garbage, underway)
}

/// Finished backups that go, chain by chain.
fn groups(catalog: &Catalog, objects: &Objects, keep: &Keep) -> Vec<Group> {
    let going = |name: &BackupName| !keep.reasons.contains_key(name);
    let mut all: BTreeMap<String, Vec<(u32, Gone)>> = BTreeMap::new();
    for backup in catalog.backups.iter().filter(|backup| going(&backup.name)) {
        let sentinel = names::sentinel(&backup.name);
        let mut bytes = objects.get(&sentinel).map_or(0, |facts| facts.size);
        let mut keys = vec![sentinel];
        for (key, facts) in objects.of_backup(&backup.name) {
            bytes += facts.size;
            keys.push(key);
        }
        let full = backup.sentinel.delta_full_name.clone().unwrap_or_else(|| backup.name.to_string());
        let depth = backup.sentinel.delta_count.unwrap_or(0);
        let gone = Gone { name: backup.name.clone(), keys, bytes, finished: Some(backup.finished()) };
        all.entry(full).or_default().push((depth, gone));
    }
    let groups = all.into_values().map(|mut backups| {
        backups.sort_by_key(|(depth, gone)| (Reverse(*depth), gone.name.clone()));
        Group { backups: backups.into_iter().map(|(_, gone)| gone).collect() }
    });
    groups.collect()
}

/// The log that goes: all before what is needed to go on from what stays, but for what that needs itself.
fn wal(objects: &Objects, catalog: &Catalog, keep: &Keep) -> Vec<WalGone> {
    let (before, needed) = (keep.wal_before(), keep.needed());
    let mut gone: BTreeMap<Timeline, WalGone> = BTreeMap::new();
    for (key, facts) in objects.iter() {
        let found = match objects.of(&key) {
            // Histories have no number. They are small, and anything may need the way through them.
            Object::Wal { file, .. } => file.number().map(|number| (number, file.timeline(), file.to_string())),
            Object::WalExtra(name) => extra(&name, catalog.size),
            _ => None,
        };
        let Some((number, timeline, name)) = found else { continue };
        if number >= before || needed.contains(&number) {
            continue;
        }
        let gone = gone.entry(timeline).or_insert_with(|| WalGone {
            timeline,
            first: name.clone(),
            last: name.clone(),
            keys: KeyMap::default(),
            bytes: 0,
        });
        gone.last = name;
        gone.keys.insert(&key, facts.size);
        gone.bytes += facts.size;
    }
    gone.into_values().collect()
}

/// The segment that one of WAL-G's extras belongs to; of a map of sixteen segments, the last.
fn extra(name: &str, size: SegmentSize) -> Option<(u64, Timeline, String)> {
    let digits = name.get(..24)?;
    let segment = Segment::parse(digits, size).ok()?;
    let last = if name.contains("_delta") { 16 } else { 0 };
    Some((segment.number + last, segment.timeline, digits.to_owned()))
}

/// Sums of objects that went before, by this code or by WAL-G, which knows no sums.
fn sums(objects: &Objects, catalog: &Catalog, keep: &Keep, plan: &Plan, dumps: &[DumpName]) -> KeyMap<u64> {
    let needed = keep.needed();
    let is_known = |name: &BackupName| {
        catalog.backup(name).is_some()
            || catalog.unfinished.contains(name)
            || catalog.unreadable.iter().any(|(other, _)| other == name)
    };
    let is_garbage = |name: &BackupName| plan.garbage.iter().any(|gone| gone.name == *name);
    let mut gone = KeyMap::default();
    for (key, facts) in objects.iter() {
        let Some(object) = names::sidecar_of(&key) else { continue };
        if objects.has(&object) {
            continue;
        }
        let is_old = match objects.of(&object) {
            Object::Wal { file, .. } => {
                file.number().is_some_and(|number| number < plan.wal_before && !needed.contains(&number))
            }
            Object::Own(key) => DumpName::of_key(&key).is_some_and(|name| !dumps.contains(&name)),
            other => other.backup().is_some_and(|name| is_garbage(name) || !is_known(name)),
        };
        if is_old {
            gone.insert(&key, facts.size);
        }
    }
    gone
}
