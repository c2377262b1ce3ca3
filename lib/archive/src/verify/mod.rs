//! Verification: reads an archive's content and says what a restore would stumble over.
//!
//! Everything is read to its end, unpacked and decrypted, compared with the sums beside it, and with
//! whatever else says the same thing: a backup's documents with its tars, the log with its names,
//! histories and sums. What was read before and hasn't changed since is remembered ([`Remembered`]) and
//! passed over; what only takes names and small documents is looked at every time.
//!
//! A store that fails says nothing of what it holds: where it gives one object not and others well, that
//! object is one that couldn't be checked ([`Rule::Unchecked`]); where it gives none, verification itself
//! ends with the store's error.

mod backup;
mod documents;
mod finding;
mod inventory;
mod members;
mod object;
mod part;
mod proof;
mod records;
mod remembered;
mod segment;
mod strays;
mod timeline;
mod torn;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use flotilla::Result;
use futures_util::TryStreamExt as _;

use crate::archive::{Archive, Pin};
use crate::catalog::{Backup, Catalog};
use crate::digest::Passed;
use crate::names::BackupName;
use crate::objects::KeyMap;
use crate::store::Listing;
use crate::wal::{Lsn, Segment, Timeline};

pub use finding::{Finding, Rule, Severity};
pub use remembered::{Remembered, Seen};

use inventory::Inventory;

/// How much is read.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What was read longer ago than this is read again.
    pub recheck: Duration,
    /// Everything is read, remembered or not.
    pub everything: bool,
    /// A backup without a sentinel is remarkable when nothing was added to it for so long.
    pub unfinished_after: Duration,
    /// Backups that WAL-G made for a push that was cut off get their sums, where all of it is sound.
    pub prove: bool,
}

/// What verification came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Objects of all kinds.
    pub objects: u64,
    /// Objects that were read now.
    pub read: u64,
    /// Their size as stored, in bytes.
    pub read_bytes: u64,
    /// Objects that were read before and haven't changed since.
    pub remembered: u64,
    /// Finished backups.
    pub backups: u64,
    /// Segments of the log.
    pub segments: u64,
    /// Objects that the store didn't give: nothing is known of them.
    pub unchecked: u64,
    /// Backups that were unproven and are proven now.
    pub proven: u64,
    /// Findings by severity.
    pub findings: BTreeMap<Severity, u64>,
}

impl Summary {
    /// How many findings are of this severity.
    pub fn of(&self, severity: Severity) -> u64 {
        self.findings.get(&severity).copied().unwrap_or(0)
    }
}

/// An object that would be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The object's key.
    pub object: String,
    /// Its size as stored, in bytes.
    pub bytes: u64,
    /// When it was read last; `None` of one that never was, or has changed since.
    pub last: Option<DateTime<Utc>>,
}

/// Takes findings as they are made.
pub type Report = Arc<dyn Fn(Finding) + Send + Sync>;

/// What was read before, for as long as somebody reads. What was learnt stays, also when the reading is cut off.
pub type Memory = Arc<Mutex<Remembered>>;

/// How many objects may be withheld by a store that answers otherwise.
const UNCHECKED: u64 = 8;

/// What all parts of a verification share.
struct Run {
    archive: Archive,
    options: Options,
    inventory: Inventory,
    catalog: Catalog,
    pin: Option<Pin>,
    /// The number of the newest segment of each timeline.
    newest: BTreeMap<Timeline, u64>,
    /// The cluster that everything must be of.
    system: Option<u64>,
    now: DateTime<Utc>,
    report: Report,
    memory: Memory,
    shared: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    summary: Summary,
    /// Objects with a finding: they are not remembered as sound.
    faulty: BTreeSet<String>,
    /// Objects that were there and are missed: they are remembered until nobody needs them.
    lost: BTreeSet<String>,
    /// What was read of backups that are to be proven: as stored, and unpacked.
    proofs: BTreeMap<String, (Passed, Passed)>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        held(&self.shared)
    }

    fn find(&self, finding: Finding) {
        let mut shared = self.shared();
        if finding.severity == Severity::Error {
            // Looked at again the next time, changed or not.
            held(&self.memory).doubt(&finding.object);
            shared.faulty.insert(finding.object.clone());
        }
        if finding.rule == Rule::Unchecked {
            shared.summary.unchecked += 1;
        }
        *shared.summary.findings.entry(finding.severity).or_default() += 1;
        drop(shared);
        (self.report)(finding);
    }

    /// Whether the object, and the sums beside it, were read before, not too long ago, and haven't changed.
    fn is_known(&self, key: &str) -> bool {
        if self.options.everything || self.is_to_be_proven(key) {
            return false;
        }
        let memory = held(&self.memory);
        let known = |key: &str| {
            self.inventory.get(key).is_some_and(|facts| {
                memory.get(key).is_some_and(|seen| seen.is_of(facts) && seen.age(self.now) < self.options.recheck)
            })
        };
        let sums = crate::names::sidecar(key);
        known(key) && (self.inventory.get(&sums).is_none() || known(&sums))
    }

    /// Where the segment's timeline was left for good within it. Not of one to which more of its timeline
    /// has come since the catalog was read.
    fn left_within(&self, segment: Segment) -> Option<Lsn> {
        self.newest.get(&segment.timeline).filter(|newest| **newest == segment.number)?;
        self.catalog.left_within(segment)
    }

    /// Whether it is of a backup that is unproven and is to be proven.
    fn is_to_be_proven(&self, key: &str) -> bool {
        let is_unproven = |name: &BackupName| self.catalog.unproven.contains(name);
        self.options.prove && self.inventory.object(key).backup().is_some_and(is_unproven)
    }

    /// Keeps what was read of an object whose backup is to be proven.
    fn keep_proof(&self, key: &str, stored: Passed, content: Option<Passed>) {
        if self.is_to_be_proven(key)
            && let Some(content) = content
        {
            self.shared().proofs.insert(key.to_owned(), (stored, content));
        }
    }

    /// What the object was when it was read before.
    fn before(&self, key: &str) -> Option<crate::digest::Sum> {
        held(&self.memory).get(key).map(|seen| seen.sha256)
    }

    /// Notes that an object was read to its end.
    fn note(&self, key: &str, sum: crate::digest::Sum) {
        let Some(facts) = self.inventory.get(key) else { return };
        let mut shared = self.shared();
        shared.summary.read += 1;
        shared.summary.read_bytes += facts.size;
        if !shared.faulty.contains(key) {
            held(&self.memory).insert(key, Seen::now(facts, sum, self.now));
        }
    }

    fn note_known(&self, count: usize) {
        self.shared().summary.remembered += count as u64;
    }

    /// The store didn't give an object. An error where it gives nothing at all.
    async fn withheld(&self, key: &str, error: flotilla::Error) -> Result<()> {
        if self.shared().faulty.contains(key) {
            return Ok(());
        }
        let answers = async { self.archive.store().list(Listing::of(crate::names::OWN).flat()).try_next().await };
        if self.shared().summary.unchecked >= UNCHECKED || answers.await.is_err() {
            return Err(error);
        }
        self.find(Finding::unchecked(key, &error));
        Ok(())
    }

    /// Whether a backup that was listed is there still: retention takes the sentinel first, so what else
    /// is missing of one without is no finding.
    async fn still_has(&self, name: &BackupName) -> Result<bool> {
        match self.archive.store().head(&crate::names::sentinel(name)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_absent() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads what has to be read, hands every finding to `report`, and keeps in memory what was sound.
pub async fn verify(archive: &Archive, options: Options, memory: Memory, report: Report) -> Result<Summary> {
    let run = prepare(archive, options, memory, report).await?;
    whole(&run).await?;
    let shared = run.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    // What is gone needs no memory. Not before the end: what vanished may be a finding.
    held(&run.memory).retain(|key| run.inventory.get(key).is_some() || shared.lost.contains(key));
    Ok(shared.summary)
}

/// Hands what [`verify`] would read to `each`, by name; an error of it ends the plan.
pub async fn plan(
    archive: &Archive,
    options: Options,
    memory: Memory,
    each: &mut (dyn FnMut(Planned) -> Result<()> + Send),
) -> Result<()> {
    let run = prepare(archive, options, memory, Arc::new(|_| {})).await?;
    let mut keys: KeyMap<()> = KeyMap::default();
    for backup in run.inventory.backups() {
        let (small, parts) = run.inventory.of_backup(backup);
        if parts.iter().chain(&small).any(|key| !run.is_known(key)) {
            parts.iter().chain(&small).for_each(|key| keys.insert(key, ()));
        }
    }
    for object in segment::wanted(&run) {
        keys.insert(&object.key(), ());
    }
    run.inventory.others().filter(|key| !run.is_known(key)).for_each(|key| keys.insert(&key, ()));
    for (key, ()) in keys.iter() {
        let Some(facts) = run.inventory.get(&key) else { continue };
        let last = held(&run.memory).get(&key).filter(|seen| seen.is_of(facts)).map(|seen| seen.at);
        each(Planned { bytes: facts.size, object: key, last })?;
    }
    Ok(())
}

async fn prepare(archive: &Archive, options: Options, memory: Memory, report: Report) -> Result<Run> {
    let early = Mutex::new(Vec::new());
    let pin = documents::pin(archive, &|finding| held(&early).push(finding)).await?;
    let size =
        pin.as_ref().and_then(|pin| crate::wal::SegmentSize::new(pin.wal_segment_bytes).ok()).unwrap_or_default();
    // In this order: of a backup that was finished when it was listed, everything is listed after it.
    let mut catalog = Catalog::load_sized(archive, size).await?;
    let inventory = Inventory::list(archive, size).await?;
    // A backup that is being deleted loses its sentinel first.
    let is_there = |name: &BackupName| inventory.get(&crate::names::sentinel(name)).is_some();
    catalog.backups.retain(|backup| is_there(&backup.name));
    catalog.unreadable.retain(|(name, _)| is_there(name));
    let mut summary = Summary { objects: inventory.len() as u64, ..Summary::default() };
    summary.backups = catalog.backups.len() as u64;
    summary.segments = inventory.segments().count() as u64;
    let newest = segment::newest(&inventory);
    let system = catalog.system(pin.as_ref());
    let shared = Mutex::new(Shared { summary, ..Shared::default() });
    let (archive, now) = (archive.clone(), flotilla::clock::now());
    let run = Run { archive, options, inventory, catalog, pin, newest, system, now, report, memory, shared };
    for finding in early.into_inner().unwrap_or_else(PoisonError::into_inner) {
        run.find(finding);
    }
    Ok(run)
}

async fn whole(run: &Run) -> Result<()> {
    documents::check(run).await?;
    for name in run.inventory.backups() {
        backup::check(run, name).await?;
    }
    segment::check(run).await?;
    object::others(run).await?;
    let standing = standing(run).await?;
    timeline::check(run, &standing).await?;
    if run.options.prove {
        proof::write(run).await?;
    }
    strays::check(run, &standing).await
}

/// The backups that are there still. Retention deletes a backup before the log that it alone needed, so
/// what these need and isn't there was lost.
async fn standing(run: &Run) -> Result<Vec<&Backup>> {
    let mut entries = run.archive.store().list(Listing::of(crate::names::BACKUPS).flat());
    let mut sentinels = BTreeSet::new();
    while let Some(entry) = entries.try_next().await? {
        sentinels.insert(entry.key().to_owned());
    }
    let is_there = |backup: &&Backup| sentinels.contains(&crate::names::sentinel(&backup.name));
    Ok(run.catalog.backups.iter().filter(is_there).collect())
}
