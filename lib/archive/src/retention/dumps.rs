//! Which logical dumps stay. Each is alone, so each goes alone; rules of their own say which, and one that
//! is whole always stays.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use flotilla::Result;

use super::{Gone, Intent, Kept, Policy, Reason};
use crate::archive::Archive;
use crate::catalog::{Dumps, FinishedDump};
use crate::names::DumpName;
use crate::objects::Objects;

/// What was decided.
#[derive(Debug, Default)]
pub(super) struct Decided {
    pub(super) kept: Vec<Kept<DumpName>>,
    pub(super) gone: Vec<Gone<DumpName>>,
    pub(super) garbage: Vec<Gone<DumpName>>,
    /// Every dump of which there is anything.
    pub(super) seen: Vec<DumpName>,
}

/// Decides.
pub(super) async fn decide(
    archive: &Archive,
    objects: &Objects,
    policy: &Policy,
    intent: Option<&Intent>,
) -> Result<Decided> {
    let dumps = Dumps::load(archive).await?;
    let mut decided = Decided::default();
    let reasons = reasons(&dumps, objects, policy);
    for dump in &dumps.finished {
        let finished = Some(dump.dump.finished);
        decided.seen.push(dump.name.clone());
        match reasons.get(&dump.name) {
            Some(reason) => decided.kept.push(Kept { name: dump.name.clone(), reason: *reason, finished }),
            None => decided.gone.push(gone(objects, &dump.name, finished)),
        }
    }
    let stays = |name: &DumpName, reason| Kept { name: name.clone(), reason, finished: None };
    for (name, _) in &dumps.unreadable {
        decided.seen.push(name.clone());
        decided.kept.push(stays(name, Reason::Unreadable));
    }
    let latest = objects.iter().map(|(_, facts)| facts.modified).max().map_or(policy.now, |at| at.min(policy.now));
    for name in &dumps.unfinished {
        decided.seen.push(name.clone());
        let newest = objects.of_dump(name).map(|(_, facts)| facts.modified).max();
        let is_cut_off = intent.is_some_and(|intent| intent.names_dump(name));
        let age = newest.map(|newest| (latest - newest).to_std().unwrap_or_default());
        match age {
            Some(age) if is_cut_off || age > policy.garbage_after => decided.garbage.push(gone(objects, name, None)),
            _ => decided.kept.push(stays(name, Reason::Underway)),
        }
    }
    Ok(decided)
}

/// Why dumps stay.
fn reasons(dumps: &Dumps, objects: &Objects, policy: &Policy) -> BTreeMap<DumpName, Reason> {
    let mut reasons = BTreeMap::new();
    let mut keep = |dump: &FinishedDump, reason| {
        reasons.entry(dump.name.clone()).or_insert(reason);
    };
    let ordinary = || dumps.finished.iter().rev().filter(|dump| !dump.dump.permanent);
    dumps.finished.iter().filter(|dump| dump.dump.permanent).for_each(|dump| keep(dump, Reason::Permanent));
    if policy.dumps.is_none() && policy.dump_days.is_none() {
        ordinary().for_each(|dump| keep(dump, Reason::Unruled));
        return reasons;
    }
    if let Some(count) = policy.dumps {
        ordinary().take(count).for_each(|dump| keep(dump, Reason::Count));
    }
    if let Some(days) = policy.dump_days {
        // Counted from the newest: where none is added, none grows older.
        let latest = dumps.finished.iter().map(|dump| dump.written).max();
        let begin = latest.map_or(policy.now, |at| at.min(policy.now)) - TimeDelta::days(i64::from(days));
        ordinary().filter(|dump| dump.dump.finished >= begin).for_each(|dump| keep(dump, Reason::Window));
    }
    let is_whole = |dump: &&FinishedDump| {
        let needed = dump.dump.objects(&dump.name);
        needed.iter().all(|key| objects.get(key).is_some_and(|facts| facts.size > 0))
    };
    if let Some(newest) = dumps.finished.iter().rev().find(is_whole) {
        keep(newest, Reason::Least);
    }
    reasons
}

fn gone(objects: &Objects, name: &DumpName, finished: Option<DateTime<Utc>>) -> Gone<DumpName> {
    let document = name.document();
    let inside: Vec<_> = objects.of_dump(name).collect();
    let bytes = inside.iter().map(|(_, facts)| facts.size).sum();
    let rest = inside.into_iter().map(|(key, _)| key).filter(|key| *key != document);
    let first = finished.map(|_| document.clone());
    Gone { name: name.clone(), keys: first.into_iter().chain(rest).collect(), bytes, finished }
}
