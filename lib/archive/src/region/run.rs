//! A run: the log first, then chain by chain, each with its sentinel last.

use std::collections::BTreeSet;
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use flotilla::{Code, Error, Result, failpoint};
use futures_util::{StreamExt as _, stream};

use super::choice;
use super::object::{self, Arrived};
use crate::archive::Archive;
use crate::catalog::{Backup, Catalog};
use crate::names::{self, BackupName, Object};
use crate::objects::Objects;
use crate::retention;
use crate::wal::{Segment, WalFile};

/// How far clocks of two stores may be apart.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// How it is done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many objects travel at once.
    pub parallelism: usize,
    /// Whether only what would be copied is found out.
    pub dry_run: bool,
}

/// An object that could not be copied.
#[derive(Debug)]
pub struct Fault {
    /// Its key.
    pub object: String,
    /// Why.
    pub error: Error,
}

/// How far the other store is behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// The first segment that isn't there.
    pub first_missing: Option<String>,
    /// Segments from there on.
    pub segments: u64,
    /// How long the first one has been in the first store, in seconds; 0 when nothing is missing.
    pub seconds: u64,
    /// The last segment up to which none is missing.
    pub reaches: Option<String>,
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Objects that were copied, or would be.
    pub copied: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Objects that were proven to be there already.
    pub present: u64,
    /// Backups that the other store lists now and didn't before.
    pub backups: u64,
    /// Objects that could not be copied, with those that wait for them.
    pub failed: u64,
    /// How far behind it is at the end.
    pub lag: Lag,
}

struct Run<'a> {
    from: &'a Archive,
    to: &'a Archive,
    here: &'a Objects,
    there: Objects,
    options: Options,
    report: Mutex<Report>,
    fault: &'a (dyn Fn(Fault) + Sync),
}

/// Copies what the other archive lacks. An object that can't be copied is told to `fault`, and the others
/// go on; an error is the stores' themselves.
///
/// Failpoints: `copy.log`, `copy.parts`, `copy.sentinel`, and those of each object.
pub async fn replicate(
    from: &Archive,
    to: &Archive,
    options: Options,
    fault: &(dyn Fn(Fault) + Sync),
) -> Result<Report> {
    let here = Objects::list(from).await?;
    let catalog = Catalog::load(from).await?;
    let here = here.sized(catalog.size);
    let there = Objects::list(to).await?.sized(catalog.size);
    let pin = from.pin().await?;
    if let Some(pin) = &pin
        && !options.dry_run
    {
        to.claim(pin).await?;
    }
    let run = Run { from, to, here: &here, there, options, report: Mutex::default(), fault };
    let log = choice::log(&catalog, &here).into_iter().map(|(file, codec)| names::wal(file, codec));
    let log: BTreeSet<String> = run.all(log).await.into_iter().collect();
    failpoint::hit("copy.log");
    let mut broken: BTreeSet<BackupName> = BTreeSet::new();
    for backup in choice::backups(&catalog) {
        if !run.backup(&catalog, backup, &log, &broken).await? {
            broken.insert(backup.name.clone());
        }
    }
    run.all(choice::points(&here)).await;
    let Run { report, there, .. } = run;
    let mut report = report.into_inner().unwrap_or_default();
    // Both are listed anew.
    drop((catalog, there));
    drop(here);
    report.lag = lag(from, to).await?;
    Ok(report)
}

impl Run<'_> {
    fn note(&self, change: impl FnOnce(&mut Report)) {
        if let Ok(mut report) = self.report.lock() {
            change(&mut report);
        }
    }

    fn fail(&self, key: &str, error: Error) {
        self.note(|report| report.failed += 1);
        (self.fault)(Fault { object: key.to_owned(), error });
    }

    /// Copies these, in their order as far as that goes; the ones that aren't there afterwards.
    async fn all(&self, keys: impl IntoIterator<Item = String>) -> Vec<String> {
        let copies = stream::iter(keys).map(async |key| (!self.one(&key).await).then_some(key));
        let done = copies.buffered(self.options.parallelism.max(1));
        done.filter_map(std::future::ready).collect().await
    }

    /// Whether the object was copied and proven by an earlier run, and is as it was then.
    async fn is_proven(&self, key: &str) -> Result<bool> {
        let (Some(here), Some(there)) = (self.here.get(key), self.there.get(key)) else { return Ok(false) };
        let Some(noted) = self.there.get(&names::sidecar(key)) else { return Ok(false) };
        if here.size != there.size {
            return Err(object::differs(self.from, self.to, key));
        }
        if here.modified + SKEW < noted.modified {
            return Ok(true);
        }
        // Written later than the copy, as far as two clocks can tell: the sums must say the same.
        let (first, second) = tokio::try_join!(self.from.sums(key), self.to.sums(key))?;
        match (first, second) {
            (Some(first), Some(second)) if first.sha256 != second.sha256 => {
                Err(object::differs(self.from, self.to, key))
            }
            (Some(_), Some(_)) => Ok(true),
            _ => Ok(false),
        }
    }

    /// Whether the object is there now.
    async fn one(&self, key: &str) -> bool {
        match self.is_proven(key).await {
            Ok(true) => {
                self.note(|report| report.present += 1);
                return true;
            }
            Ok(false) => {}
            Err(error) => {
                self.fail(key, error);
                return false;
            }
        }
        if self.options.dry_run {
            let bytes = self.here.get(key).map_or(0, |facts| facts.size);
            self.note(|report| {
                report.copied += 1;
                report.bytes += bytes;
            });
            return true;
        }
        match object::copy(self.from, self.to, key).await {
            Ok(Arrived::Copied(bytes)) => {
                self.note(|report| {
                    report.copied += 1;
                    report.bytes += bytes;
                });
                true
            }
            Ok(Arrived::Compared) => {
                self.note(|report| report.present += 1);
                true
            }
            Err(error) => {
                self.fail(key, error);
                false
            }
        }
    }

    /// Copies a backup; false when it isn't there afterwards.
    async fn backup(
        &self,
        catalog: &Catalog,
        backup: &Backup,
        missing: &BTreeSet<String>,
        broken: &BTreeSet<BackupName>,
    ) -> Result<bool> {
        let name = &backup.name;
        let sentinel = names::sentinel(name);
        let parent: Option<BackupName> = backup.sentinel.delta()?.map(|delta| delta.parent);
        let why = if let Some(parent) = parent.as_ref().filter(|parent| broken.contains(parent)) {
            Some(format!("{name} stands on {parent}, which isn't there"))
        } else {
            let lost =
                |segment: &Segment| catalog.segment(*segment).is_none_or(|object| missing.contains(&object.key()));
            let lost = choice::needs(catalog, backup).into_iter().find(lost);
            lost.map(|segment| format!("{name} needs segment {segment}, which isn't there"))
        };
        if let Some(why) = why {
            let hint = "Its sentinel was not copied: nothing is listed that can't be restored.";
            self.fail(&sentinel, Error::new(Code::Mismatch, why).hint(hint));
            return Ok(false);
        }
        let keys = choice::parts(self.here, name);
        let stranger = self.there.of_backup(name).map(|(key, _)| key).find(|key| !keys.contains(key));
        if let Some(stranger) = stranger {
            let what = format!("\"{stranger}\" is at {} alone", self.to.store().place());
            let hint = "Whoever restores takes every part. Find out where it comes from, and delete it.";
            self.fail(&stranger, Error::new(Code::Mismatch, what).hint(hint));
            return Ok(false);
        }
        let parts: Vec<String> = keys
            .iter()
            .filter_map(|key| match self.here.of(key) {
                Object::Part { name, .. } => Some(name),
                _ => None,
            })
            .collect();
        if !self.all(keys).await.is_empty() {
            return Ok(false);
        }
        failpoint::hit("copy.parts");
        if !self.there.has(&sentinel) && !self.options.dry_run {
            // Retired meanwhile, here or there: then it isn't wanted any more.
            match self.from.store().head(&sentinel).await {
                Ok(_) => {}
                Err(error) if error.is_absent() => return Ok(false),
                Err(error) => return Err(error.into()),
            }
            if let Err(error) = retention::check_footing(self.to, name, parent.as_ref(), &parts).await {
                self.fail(&sentinel, error);
                return Ok(false);
            }
        }
        let is_new = !self.there.has(&sentinel);
        let arrived = self.one(&sentinel).await;
        failpoint::hit("copy.sentinel");
        if arrived && is_new {
            self.note(|report| report.backups += 1);
        }
        Ok(arrived)
    }
}

/// How far the other archive is behind, as both are now.
async fn lag(from: &Archive, to: &Archive) -> Result<Lag> {
    let here = Catalog::load(from).await?;
    let there = Objects::list(to).await?.sized(here.size);
    let has = |segment: &Segment| {
        here.segment(*segment).is_some_and(|object| there.has(&object.key())) || {
            let is_it =
                |key: &str| matches!(there.of(key), Object::Wal { file: WalFile::Segment(s), .. } if s == *segment);
            there.below(&format!("{}{segment}", names::WAL)).any(|(key, _)| is_it(&key))
        }
    };
    let way = choice::way(&here);
    let first = way.iter().position(|segment| !has(segment));
    let reaches = way.get(..first.unwrap_or(way.len())).and_then(<[Segment]>::last).map(ToString::to_string);
    let Some(first) = first else { return Ok(Lag { reaches, ..Lag::default() }) };
    let written = here.segment(way[first]).map(|object| object.written);
    Ok(Lag {
        first_missing: Some(way[first].to_string()),
        segments: way[first..].iter().filter(|segment| !has(segment)).count() as u64,
        seconds: written.map_or(0, age),
        reaches,
    })
}

fn age(since: DateTime<Utc>) -> u64 {
    u64::try_from((Utc::now() - since).num_seconds()).unwrap_or(0)
}
