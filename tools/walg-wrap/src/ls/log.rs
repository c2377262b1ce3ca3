//! The WAL of an archive: ranges of segments that follow one another, and the gaps between them.

use std::collections::BTreeMap;

use flotilla::clock::rfc3339;
use flotilla::record::Record;
use flotilla_archive::Catalog;
use flotilla_archive::catalog::WalObject;
use flotilla_archive::wal::{Segment, Timeline};
use schemars::JsonSchema;
use serde::Serialize;

/// Whether segments are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Presence {
    /// They are in the archive.
    Archived,
    /// They are missing between others, or before them since a backup needs them.
    Gap,
}

/// Segments of a timeline that follow one another.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct ListedWal {
    /// The shard.
    pub(crate) shard: Option<String>,
    /// The store.
    pub(crate) store: Option<String>,
    /// The timeline.
    timeline: Option<u32>,
    /// Whether they are there.
    presence: Option<Presence>,
    /// The first segment.
    first_segment: Option<String>,
    /// The last segment.
    last_segment: Option<String>,
    /// How many they are.
    segments: Option<u64>,
    /// Where the first begins.
    from_lsn: Option<String>,
    /// Where the last ends.
    to_lsn: Option<String>,
    /// Their size as stored, in bytes; null of a gap.
    stored_bytes: Option<u64>,
    /// When the first of them was archived; null of a gap.
    first_archived_at: Option<String>,
    /// When the last of them was archived; null of a gap.
    last_archived_at: Option<String>,
    /// Whether a restore from a backup that isn't permanent goes through them.
    needed: Option<bool>,
}

impl Record for ListedWal {
    const KIND: &'static str = "walg-wrap.wal_range";
    const COLUMNS: &'static [&'static str] =
        &["timeline", "presence", "first_segment", "last_segment", "segments", "stored_bytes", "needed"];
}

impl ListedWal {
    /// How many segments are there.
    pub(crate) fn archived(&self) -> Option<usize> {
        let segments = self.segments.filter(|_| self.presence == Some(Presence::Archived))?;
        usize::try_from(segments).ok()
    }

    /// Whether something is missing that a restore would miss.
    pub(crate) fn is_needed_gap(&self) -> bool {
        self.presence == Some(Presence::Gap) && self.needed == Some(true)
    }
}

/// The ranges and gaps of every timeline, in order.
pub(crate) fn ranges(catalog: &Catalog) -> Vec<ListedWal> {
    let mut timelines: BTreeMap<Timeline, Vec<(Segment, WalObject)>> = BTreeMap::new();
    for (segment, object) in catalog.wal.segments() {
        timelines.entry(segment.timeline).or_default().push((segment, object));
    }
    let starts = |permanent: bool| {
        let backups = catalog.backups.iter().filter(move |backup| backup.is_permanent() == permanent);
        backups.map(|backup| backup.sentinel.start_lsn.0 / catalog.size.bytes()).min()
    };
    let needed_from = starts(false).or_else(|| starts(true));
    let mut listed = Vec::new();
    for (timeline, segments) in timelines {
        let begun = needed_from.map(|from| from.max(began(catalog, timeline)));
        let is_needed = |number: u64| begun.is_some_and(|begun| number >= begun);
        let mut expected = begun.filter(|begun| segments.first().is_some_and(|(first, _)| *begun < first.number));
        for run in segments.chunk_by(|(a, _), (b, _)| a.next() == *b) {
            let (first, last) = (run[0], run[run.len() - 1]);
            if let Some(number) = expected {
                let gap = Segment { number, ..first.0 };
                let end = Segment { number: first.0.number - 1, ..first.0 };
                listed.push(range(gap, end, Presence::Gap, is_needed(end.number)));
            }
            let objects = || run.iter().map(|(_, object)| object);
            listed.push(ListedWal {
                stored_bytes: Some(objects().map(|object| object.bytes).sum()),
                first_archived_at: objects().map(|object| object.written).min().map(rfc3339),
                last_archived_at: objects().map(|object| object.written).max().map(rfc3339),
                ..range(first.0, last.0, Presence::Archived, is_needed(last.0.number))
            });
            expected = Some(last.0.next().number);
        }
    }
    listed
}

/// The number of the segment in which a timeline began; 0 where that isn't known.
fn began(catalog: &Catalog, timeline: Timeline) -> u64 {
    let switch = catalog.histories.get(&timeline).and_then(|history| history.switches().last());
    switch.map_or(0, |switch| switch.at.0 / catalog.size.bytes())
}

fn range(first: Segment, last: Segment, presence: Presence, needed: bool) -> ListedWal {
    ListedWal {
        timeline: Some(first.timeline.0),
        presence: Some(presence),
        first_segment: Some(first.to_string()),
        last_segment: Some(last.to_string()),
        segments: Some(last.number - first.number + 1),
        from_lsn: Some(first.start().to_string()),
        to_lsn: Some(last.end().to_string()),
        needed: Some(needed),
        ..ListedWal::default()
    }
}
