//! Verification: reads an archive's content and says what a restore would stumble over.
//!
//! Everything is read to its end, unpacked and decrypted, compared with the sums beside it, and with
//! whatever else says the same thing: a backup's documents with its tars, the log with its names,
//! histories and sums. What was read before and hasn't changed since is remembered ([`Remembered`]) and
//! passed over; what only takes names and small documents is looked at every time.
//!
//! A store that fails is no finding: then verification itself ends with the store's error.

mod backup;
mod documents;
mod finding;
mod inventory;
mod members;
mod object;
mod part;
mod records;
mod remembered;
mod segment;
mod strays;
mod timeline;
mod torn;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use flotilla::Result;

use crate::archive::{Archive, Pin};
use crate::catalog::Catalog;

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

/// What all parts of a verification share.
struct Run {
    archive: Archive,
    options: Options,
    inventory: Inventory,
    catalog: Catalog,
    pin: Option<Pin>,
    /// The cluster that everything must be of.
    system: Option<u64>,
    now: DateTime<Utc>,
    report: Report,
    shared: Mutex<Shared>,
}

struct Shared {
    remembered: Remembered,
    summary: Summary,
    /// Objects with a finding: they are not remembered as sound.
    faulty: std::collections::BTreeSet<String>,
}

impl Run {
    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, finding: Finding) {
        let mut shared = self.shared();
        if finding.severity == Severity::Error {
            shared.faulty.insert(finding.object.clone());
        }
        *shared.summary.findings.entry(finding.severity).or_default() += 1;
        drop(shared);
        (self.report)(finding);
    }

    /// Whether the object, and the sums beside it, were read before, not too long ago, and haven't changed.
    fn is_known(&self, key: &str) -> bool {
        if self.options.everything {
            return false;
        }
        let shared = self.shared();
        let known = |key: &str| {
            self.inventory.get(key).is_some_and(|meta| {
                shared
                    .remembered
                    .get(key)
                    .is_some_and(|seen| seen.is_of(meta) && seen.age(self.now) < self.options.recheck)
            })
        };
        let sums = crate::names::sidecar(key);
        known(key) && (self.inventory.get(&sums).is_none() || known(&sums))
    }

    /// Notes that an object was read to its end.
    fn note(&self, key: &str, sum: crate::digest::Sum) {
        let Some(meta) = self.inventory.get(key) else { return };
        let seen = Seen::now(meta, sum, self.now);
        let mut shared = self.shared();
        shared.summary.read += 1;
        shared.summary.read_bytes += meta.size;
        shared.remembered.insert(key, seen);
    }

    fn note_known(&self, count: usize) {
        self.shared().summary.remembered += count as u64;
    }
}

/// Reads what has to be read, hands every finding to `report`, and keeps in `remembered` what was sound.
pub async fn verify(
    archive: &Archive,
    options: Options,
    remembered: &mut Remembered,
    report: Report,
) -> Result<Summary> {
    let run = prepare(archive, options, std::mem::take(remembered), report).await?;
    let done = whole(&run).await;
    let mut shared = run.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    for key in &shared.faulty {
        shared.remembered.forget(key);
    }
    *remembered = shared.remembered;
    done?;
    // What is gone needs no memory. Not before the end: what vanished may be a finding.
    remembered.retain(|key| run.inventory.get(key).is_some());
    Ok(shared.summary)
}

/// What [`verify`] would read.
pub async fn plan(archive: &Archive, options: Options, remembered: &mut Remembered) -> Result<Vec<Planned>> {
    let run = prepare(archive, options, std::mem::take(remembered), Arc::new(|_| {})).await?;
    let mut planned: Vec<Planned> = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    for backup in run.inventory.backups() {
        let (small, parts) = run.inventory.of_backup(backup);
        if parts.iter().chain(&small).any(|key| !run.is_known(key)) {
            keys.extend(parts.into_iter().chain(small));
        }
    }
    keys.extend(segment::stretches(&run).into_iter().flat_map(|stretch| stretch.keys()));
    keys.extend(run.inventory.others().filter(|key| !run.is_known(key)).map(str::to_owned));
    keys.sort();
    keys.dedup();
    for key in keys {
        let Some(meta) = run.inventory.get(&key) else { continue };
        let last = run.shared().remembered.get(&key).filter(|seen| seen.is_of(meta)).map(|seen| seen.at);
        planned.push(Planned { bytes: meta.size, object: key, last });
    }
    *remembered = run.shared.into_inner().unwrap_or_else(PoisonError::into_inner).remembered;
    Ok(planned)
}

async fn prepare(archive: &Archive, options: Options, remembered: Remembered, report: Report) -> Result<Run> {
    let early = Mutex::new(Vec::new());
    let pin =
        documents::pin(archive, &|finding| early.lock().unwrap_or_else(PoisonError::into_inner).push(finding)).await?;
    let size =
        pin.as_ref().and_then(|pin| crate::wal::SegmentSize::new(pin.wal_segment_bytes).ok()).unwrap_or_default();
    let inventory = Inventory::list(archive, size).await?;
    let catalog = Catalog::load_sized(archive, size).await?;
    let mut summary = Summary { objects: inventory.len() as u64, ..Summary::default() };
    summary.backups = catalog.backups.len() as u64;
    summary.segments = inventory.segments().count() as u64;
    let system = documents::system(pin.as_ref(), &catalog);
    let shared = Shared { remembered, summary, faulty: std::collections::BTreeSet::new() };
    let now = flotilla::clock::now();
    let run = Run {
        archive: archive.clone(),
        options,
        inventory,
        catalog,
        pin,
        system,
        now,
        report,
        shared: Mutex::new(shared),
    };
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
    timeline::check(run).await?;
    strays::check(run).await
}
