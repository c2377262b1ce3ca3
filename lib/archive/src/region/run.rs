//! A run: the log first, then chain by chain, each with its sentinel last, then logical dumps.

use std::collections::BTreeSet;
use std::sync::Mutex;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use flotilla::{Code, Error, Result, failpoint};
use futures_util::{StreamExt as _, stream};

use super::choice;
use super::object::{self, Arrived};
use crate::archive::Archive;
use crate::catalog::{Backup, Catalog};
use crate::codec::Codec;
use crate::digest::{Passed, Sum};
use crate::documents::Metadata;
use crate::names::{self, BackupName, DumpName, Object};
use crate::objects::Objects;
use crate::retention;
use crate::store::Over;
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
    /// Logical dumps that it lists now and didn't before.
    pub dumps: u64,
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
    /// The keys of what could not be copied.
    failures: Mutex<BTreeSet<String>>,
    fault: &'a (dyn Fn(Fault) + Sync),
}

/// Copies what the other archive lacks. An object that can't be copied is told to `fault`, and the others
/// go on; an error is the stores' themselves.
///
/// Failpoints: `copy.log`, `copy.parts`, `copy.sentinel`, `copy.dump`, and those of each object.
pub async fn replicate(
    from: &Archive,
    to: &Archive,
    options: Options,
    fault: &(dyn Fn(Fault) + Sync),
) -> Result<Report> {
    let here = Objects::list(from).await?;
    // Nothing is opened on the way, so nobody needs the key for it.
    let catalog = Catalog::load_sealed(from, from.segment_size().await?).await?;
    let here = here.sized(catalog.size);
    let there = Objects::list(to).await?.sized(catalog.size);
    let pin = from.pin().await?;
    if let Some(pin) = &pin
        && !options.dry_run
    {
        to.claim(pin).await?;
    }
    let run =
        Run { from, to, here: &here, there, options, report: Mutex::default(), failures: Mutex::default(), fault };
    let log = choice::log(&catalog, &here).into_iter().map(|(file, codec)| names::wal(file, codec));
    let log: BTreeSet<String> = run.all(log).await.into_iter().collect();
    failpoint::hit("copy.log");
    let mut broken: BTreeSet<BackupName> = BTreeSet::new();
    for backup in choice::backups(&catalog) {
        if !run.backup(&catalog, backup, &log, &broken).await? {
            broken.insert(backup.name.clone());
        }
    }
    for (name, keys) in choice::dumps(&here) {
        run.dump(&name, keys).await?;
    }
    run.all(choice::points(&here)).await;
    let Run { report, failures, there, .. } = run;
    let mut report = report.into_inner().unwrap_or_default();
    // Both are listed anew.
    drop((catalog, there));
    drop(here);
    report.lag = lag(from, to, &failures.into_inner().unwrap_or_default()).await?;
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
        if let Ok(mut failures) = self.failures.lock() {
            failures.insert(key.to_owned());
        }
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

    /// Copies `metadata.json` where WAL-G has written it anew, here or since it was copied, to make the backup
    /// permanent or no longer so: that alone may differ. None where it is like any other object.
    async fn rewritten(&self, key: &str) -> Result<Option<Arrived>> {
        let Object::Metadata(name) = self.here.of(key) else { return Ok(None) };
        let (ours, sums, theirs) =
            tokio::try_join!(object::metadata(self.from, key), self.from.sums(key), object::metadata(self.to, key))?;
        let Some(ours) = ours else { return Ok(None) };
        let passed = Passed { bytes: ours.len() as u64, sum: Sum::of(&ours) };
        let is_as_written = sums.is_none_or(|sums| sums.compare(passed).is_ok());
        if is_as_written && theirs.as_ref().is_none_or(|theirs| *theirs == ours) {
            return Ok(None);
        }
        let sentinel = object::sentinel(self.from, &name).await?;
        let agrees = |bytes: &Bytes| Metadata::parse(bytes).is_ok_and(|said| said.agrees(&sentinel));
        if !agrees(&ours) || theirs.as_ref().is_some_and(|theirs| !agrees(theirs)) {
            return Err(object::differs(self.from, self.to, key));
        }
        if theirs.is_some_and(|theirs| theirs == ours) {
            return Ok(Some(Arrived::Compared));
        }
        if !self.options.dry_run {
            self.to.write_plain(key, ours, Over::Replace, sentinel.system_identifier).await?;
        }
        Ok(Some(Arrived::Copied(passed.bytes)))
    }

    /// Whether the object is there now.
    async fn one(&self, key: &str) -> bool {
        match self.arrives(key).await {
            Ok(Arrived::Copied(bytes)) => self.note(|report| {
                report.copied += 1;
                report.bytes += bytes;
            }),
            Ok(Arrived::Compared) => self.note(|report| report.present += 1),
            Err(error) => {
                self.fail(key, error);
                return false;
            }
        }
        true
    }

    /// Copies an object, unless it is there.
    async fn arrives(&self, key: &str) -> Result<Arrived> {
        if let Some(arrived) = self.rewritten(key).await? {
            return Ok(arrived);
        }
        if self.is_proven(key).await? {
            return Ok(Arrived::Compared);
        }
        if self.options.dry_run {
            return Ok(Arrived::Copied(self.here.get(key).map_or(0, |facts| facts.size)));
        }
        object::copy(self.from, self.to, key).await
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

    /// Copies a logical dump, its document last.
    async fn dump(&self, name: &DumpName, keys: Vec<String>) -> Result<()> {
        if !self.all(keys.clone()).await.is_empty() {
            return Ok(());
        }
        failpoint::hit("copy.dump");
        let document = name.document();
        let is_new = !self.there.has(&document);
        if is_new && !self.options.dry_run {
            // Retired meanwhile, here or there: then it isn't wanted any more.
            match self.from.store().head(&document).await {
                Ok(_) => {}
                Err(error) if error.is_absent() => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            if let Err(error) = retention::check_dump_footing(self.to, name, &keys).await {
                self.fail(&document, error);
                return Ok(());
            }
        }
        if self.one(&document).await && is_new {
            self.note(|report| report.dumps += 1);
        }
        Ok(())
    }
}

/// How far the other archive is behind, as both are now: of the log that is wanted there, what isn't, or is
/// another than here. What is there counts once it has its sums, for they say that it was compared.
async fn lag(from: &Archive, to: &Archive, failures: &BTreeSet<String>) -> Result<Lag> {
    let here = Objects::list(from).await?;
    let catalog = Catalog::load_sealed(from, from.segment_size().await?).await?;
    let here = here.sized(catalog.size);
    let there = Objects::list(to).await?;
    let has = |segment: Segment, codec: Codec| {
        let key = names::wal(WalFile::Segment(segment), codec);
        there.has(&key) && there.has(&names::sidecar(&key)) && !failures.contains(&key)
    };
    let segments = choice::log(&catalog, &here).into_iter().filter_map(|(file, codec)| match file {
        WalFile::Segment(segment) => Some((segment, codec)),
        _ => None,
    });
    let mut lag = Lag::default();
    let mut missing = BTreeSet::new();
    for (segment, codec) in segments {
        if has(segment, codec) {
            if missing.is_empty() {
                lag.reaches = Some(segment.to_string());
            }
            continue;
        }
        if missing.is_empty() {
            let written = here.get(&names::wal(WalFile::Segment(segment), codec)).map(|facts| facts.modified);
            lag.first_missing = Some(segment.to_string());
            lag.seconds = written.map_or(0, age);
        }
        missing.insert(segment);
    }
    lag.segments = missing.len() as u64;
    Ok(lag)
}

fn age(since: DateTime<Utc>) -> u64 {
    u64::try_from((Utc::now() - since).num_seconds()).unwrap_or(0)
}
