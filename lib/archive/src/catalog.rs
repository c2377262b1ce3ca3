//! What an archive holds, by its names and small documents: backups with their chains, files of the
//! WAL, and the ways between timelines. Contents are [`crate::archive`]'s business.

mod chain;
mod coming;
mod dumps;
mod load;
mod timelines;
mod wal;
mod whole;

pub use chain::Broken;
pub use coming::Coming;
pub use dumps::{Dumps, FinishedDump};
pub use wal::{WalFiles, WalObject};
pub(crate) use whole::lack;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::archive::Pin;
use crate::documents::{Metadata, Sentinel};
use crate::names::BackupName;
use crate::wal::{History, Lsn, Segment, SegmentSize, Timeline, WalFile};

/// What an archive holds.
#[derive(Debug)]
pub struct Catalog {
    /// The size of the WAL's segments.
    pub size: SegmentSize,
    /// The backups that can be read, the one that began first is first.
    pub backups: Vec<Backup>,
    /// Those of them that WAL-G made for a push which has not proven them.
    pub unproven: BTreeSet<BackupName>,
    /// Backups with a sentinel or `metadata.json` that can't be understood, and why.
    pub unreadable: Vec<(BackupName, String)>,
    /// Backups without a sentinel: begun and never finished, or being made right now.
    pub unfinished: BTreeSet<BackupName>,
    /// Files of the WAL; of one that is there in several packings, the one that is read first.
    pub wal: WalFiles,
    /// The ways to timelines whose history file is there.
    pub histories: BTreeMap<Timeline, History>,
    /// History files that can't be understood, and why.
    pub unreadable_histories: Vec<(Timeline, String)>,
}

/// A finished backup.
#[derive(Clone, Debug)]
pub struct Backup {
    /// Its name.
    pub name: BackupName,
    /// Its sentinel.
    pub sentinel: Sentinel,
    /// Its `metadata.json`; some are without.
    pub metadata: Option<Metadata>,
    /// When its sentinel was written.
    pub written: DateTime<Utc>,
}

impl Backup {
    /// Whether retention leaves it alone.
    pub fn is_permanent(&self) -> bool {
        self.metadata.as_ref().map_or(self.sentinel.is_permanent, |metadata| metadata.is_permanent)
    }

    /// Whether it stands on another.
    pub fn is_delta(&self) -> bool {
        self.sentinel.delta_from.is_some()
    }

    /// The timeline on which it began.
    pub fn timeline(&self) -> Timeline {
        self.name.timeline().unwrap_or(Timeline(1))
    }

    /// When it began; of one whose sentinel doesn't say, when it was there.
    pub fn started(&self) -> DateTime<Utc> {
        self.sentinel.start_time.unwrap_or(self.written)
    }

    /// When it ended: no earlier time can be restored from it.
    pub fn finished(&self) -> DateTime<Utc> {
        self.sentinel.finish_time.unwrap_or(self.written)
    }

    /// The first and the last segment that it needs to become consistent.
    pub fn needs(&self, size: SegmentSize) -> (Segment, Segment) {
        let first = Segment::containing(self.timeline(), self.sentinel.start_lsn, size);
        (first, Segment::ending_at(self.timeline(), self.sentinel.finish_lsn, size))
    }
}

impl Catalog {
    /// The backup of this name.
    pub fn backup(&self, name: &BackupName) -> Option<&Backup> {
        self.backups.iter().find(|backup| backup.name == *name)
    }

    /// The newest backup, by when it began.
    pub fn newest(&self) -> Option<&Backup> {
        self.backups.last()
    }

    /// The newest that is proven, with all that it stands on.
    pub fn newest_proven(&self) -> Option<&Backup> {
        let is_proven = |backup: &&Backup| !matches!(self.chain(backup), Err(Broken::Unproven(_)));
        self.backups.iter().rev().find(is_proven)
    }

    /// The cluster that everything must be of: the one that the archive is pinned to, unless every backup
    /// is another's.
    pub fn system(&self, pin: Option<&Pin>) -> Option<u64> {
        let pinned = pin.and_then(|pin| pin.system_identifier.parse().ok());
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        for system in self.backups.iter().filter_map(|backup| backup.sentinel.system_identifier) {
            *counts.entry(system).or_default() += 1;
        }
        match pinned {
            Some(system) if counts.is_empty() || counts.contains_key(&system) => Some(system),
            _ => counts.into_iter().max_by_key(|(_, count)| *count).map(|(system, _)| system).or(pinned),
        }
    }

    /// The object that holds a segment.
    pub fn segment(&self, segment: Segment) -> Option<WalObject> {
        self.wal.get(WalFile::Segment(segment))
    }

    /// How far the WAL reaches without a gap on a way, from a position on: the end of the last segment
    /// that is there. `None` when not even the first is.
    pub fn reaches(&self, way: &History, from: Lsn) -> Option<Segment> {
        let mut last = None;
        for number in from.0 / self.size.bytes().. {
            let segment = way.segment(number, self.size);
            if self.segment(segment).is_none() {
                break;
            }
            last = Some(segment);
        }
        last
    }
}
