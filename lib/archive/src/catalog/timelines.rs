//! The timelines of an archive, and the ways to them.

use super::Catalog;
use crate::wal::{History, Lsn, Segment, Timeline, WalFile};

impl Catalog {
    /// Every timeline of which there is anything.
    pub fn timelines(&self) -> Vec<Timeline> {
        let mut all: Vec<Timeline> = self.wal.timelines().collect();
        all.extend(self.backups.iter().map(super::Backup::timeline));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The newest timeline of which there is anything.
    pub fn latest_timeline(&self) -> Option<Timeline> {
        self.timelines().pop()
    }

    /// The way to a timeline. The first timeline has no history file; another one without can't be
    /// reached, since where it left the others isn't known.
    pub fn way_to(&self, timeline: Timeline) -> Option<History> {
        if let Some(history) = self.histories.get(&timeline) {
            return Some(history.clone());
        }
        let has_file = self.wal.get(WalFile::History(timeline)).is_some();
        (timeline == Timeline(1) && !has_file).then(|| History::first(timeline))
    }

    /// Where a later timeline leaves the segment's own within it, if this is the last of that one here.
    ///
    /// Every server that followed a timeline to its end has that segment, and may archive it as far as it
    /// goes: a standby by `archive_mode = always`, another once it is promoted itself. Behind the position
    /// is what was in the file before, or what a lost primary alone had written; whoever goes on reads the
    /// later timeline's copy of the segment. Of a timeline that goes on itself, all of it is needed.
    pub fn left_within(&self, segment: Segment) -> Option<Lsn> {
        self.wal.last(segment.timeline).filter(|last| *last == segment.number)?;
        self.histories.values().filter_map(|history| history.left_within(segment)).min()
    }
}
