//! The past of a shard: its archive, the way to a timeline, and the stretches of WAL on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use flotilla::config::{Config, Shard};
use flotilla::error::{Code, Error, Result};
use flotilla_archive::catalog::Backup;
use flotilla_archive::wal::{History, Lsn, Segment, Timeline};
use flotilla_archive::{Archive, Catalog};

use crate::log::{Left, Marks, Reader};

/// Which archive, and which of its timelines.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct PastArgs {
    /// Read the archives in this store instead of the first
    #[arg(long, value_name = "NAME")]
    pub(crate) store: Option<String>,
    /// Follow the way to this timeline instead of the newest
    #[arg(long, value_name = "N")]
    pub(crate) timeline: Option<u32>,
}

/// Segments that follow one another without a gap, by number, first and last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// The past of a shard.
pub(crate) struct Past {
    /// The archive.
    pub(crate) archive: Archive,
    /// What it holds.
    pub(crate) catalog: Catalog,
    /// The way that is followed.
    pub(crate) way: History,
    /// Newer timelines of which there is something, and whose way isn't known.
    pub(crate) unreachable: Vec<Timeline>,
    /// The cluster, where the archive says.
    pub(crate) system: Option<u64>,
    /// Segments that are there and can't be used, by number, and why.
    damaged: std::sync::Mutex<BTreeMap<u64, String>>,
    reader: Reader,
}

impl Past {
    /// Reads the catalog of a shard's archive.
    pub(crate) async fn load(config: &Config, shard: &Shard, args: &PastArgs) -> Result<Self> {
        let archive = Archive::open(config, shard, args.store.as_deref()).await?;
        let catalog = Catalog::load(&archive).await?;
        let mut unreachable = Vec::new();
        let mut way = None;
        if let Some(number) = args.timeline {
            way = Some(catalog.way_to(Timeline(number)).ok_or_else(|| {
                Error::new(Code::NotFound, format!("there is no way to timeline {number} in the archive"))
                    .hint("Its history file must be there; `pitr coverage` names the timelines that can be reached.")
            })?);
        }
        let mut timelines = catalog.timelines();
        while let (None, Some(timeline)) = (&way, timelines.pop()) {
            way = catalog.way_to(timeline);
            if way.is_none() {
                unreachable.push(timeline);
            }
        }
        let system = match archive.pin().await? {
            Some(pin) => pin.system_identifier.parse().ok(),
            None => catalog.newest().and_then(|backup| backup.sentinel.system_identifier),
        };
        let way = way.unwrap_or_else(|| History::first(Timeline(1)));
        let reader = Reader::new(archive.clone(), system);
        Ok(Self { archive, catalog, way, unreachable, system, damaged: std::sync::Mutex::default(), reader })
    }

    /// The segment of this number on the way, as recovery takes it: of the newest timeline that begins in
    /// it or before. Where that one isn't in the archive, but a timeline's that is left within it, that one.
    pub(crate) fn segment(&self, number: u64) -> Segment {
        let newest = self.newest(number);
        if self.catalog.segment(newest).is_some() {
            return newest;
        }
        let earlier = self.way.switches().iter().rev().map(|switch| Segment { timeline: switch.parent, ..newest });
        let mut left = earlier.filter(|segment| self.way.left_within(*segment).is_some());
        left.find(|segment| self.catalog.segment(*segment).is_some()).unwrap_or(newest)
    }

    fn newest(&self, number: u64) -> Segment {
        self.way.segment(number, self.catalog.size)
    }

    /// The segments from the one that holds `from` to the one that holds the byte before `to`.
    pub(crate) fn segments(&self, from: Lsn, to: Lsn) -> impl Iterator<Item = Segment> + '_ {
        self.way.segments(from, to, self.catalog.size).map(|segment| self.segment(segment.number))
    }

    /// Where a stretch ends: within its last segment, where the way leaves that one's timeline.
    pub(crate) fn end(&self, run: Run) -> Lsn {
        let last = self.segment(run.last);
        self.way.left_within(last).unwrap_or(last.end())
    }

    /// The segment without which a stretch doesn't go on.
    pub(crate) fn missing_behind(&self, run: Run) -> Segment {
        let is_left = self.way.left_within(self.segment(run.last)).is_some();
        if is_left { self.newest(run.last) } else { self.segment(run.last + 1) }
    }

    /// The number of the segment in which a position lies.
    pub(crate) fn number(&self, at: Lsn) -> u64 {
        at.0 / self.catalog.size.bytes()
    }

    /// What is marked in a segment of the way.
    pub(crate) async fn marks(&self, number: u64) -> Result<Arc<Marks>> {
        let segment = self.segment(number);
        let on_way = self.way.left_within(segment);
        let left = Left { on_way, by_any: on_way.or_else(|| self.catalog.left_within(segment)) };
        self.reader.marks(&self.catalog, segment, self.segment(number + 1), left).await
    }

    /// Leaves a segment out from now on, if the error says that it is damaged.
    pub(crate) fn leave_out(&self, number: u64, error: Error) -> Result<()> {
        if error.code() != Code::Mismatch {
            return Err(error);
        }
        let mut damaged = self.damaged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        damaged.insert(number, error.message().to_owned());
        Ok(())
    }

    /// Why a segment can't be used, where it is there.
    pub(crate) fn damage(&self, number: u64) -> Option<String> {
        self.damaged.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(&number).cloned()
    }

    /// The stretches of WAL on the way, in order.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let damaged = self.damaged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut numbers: Vec<u64> = self
            .catalog
            .wal
            .segments()
            .filter(|(segment, _)| self.segment(segment.number).timeline == segment.timeline)
            .map(|(segment, _)| segment.number)
            .filter(|number| !damaged.contains_key(number))
            .collect();
        numbers.sort_unstable();
        let is_left = |number| self.way.left_within(self.segment(number)).is_some();
        let mut runs: Vec<Run> = Vec::new();
        for number in numbers {
            match runs.last_mut() {
                Some(run) if run.last + 1 == number && !is_left(run.last) => run.last = number,
                _ => runs.push(Run { first: number, last: number }),
            }
        }
        runs
    }

    /// Why a backup can't be used on the way; none where it can, as far as its own documents say.
    pub(crate) fn unusable(&self, backup: &Backup) -> Option<String> {
        match self.way.leaves(backup.timeline()) {
            None => return Some(format!("timeline {} is not on the way", backup.timeline())),
            Some(end) if backup.sentinel.finish_lsn > end => {
                return Some(format!("it ends on timeline {} behind where the way leaves that", backup.timeline()));
            }
            Some(_) => {}
        }
        if let (Some(ours), Some(theirs)) = (self.system, backup.sentinel.system_identifier)
            && ours != theirs
        {
            return Some(format!("it is of system {theirs}"));
        }
        self.catalog.chain(backup).err().map(|broken| broken.to_string())
    }

    /// The backups that can be used within a stretch, the one that ended first is first.
    pub(crate) fn backups(&self, run: Run) -> Vec<&Backup> {
        let within = |backup: &&Backup| {
            let first = self.number(backup.sentinel.start_lsn);
            let last = self.number(Lsn(backup.sentinel.finish_lsn.0.saturating_sub(1)));
            run.first <= first && last <= run.last && self.unusable(backup).is_none()
        };
        let mut backups: Vec<&Backup> = self.catalog.backups.iter().filter(within).collect();
        backups.sort_by_key(|backup| backup.sentinel.finish_lsn);
        backups
    }
}
