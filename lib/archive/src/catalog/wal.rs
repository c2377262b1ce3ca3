//! The files of the log that an archive holds.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};

use crate::codec::Codec;
use crate::names;
use crate::wal::{Segment, SegmentSize, Timeline, WalFile};

/// A file of the WAL in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalObject {
    /// The file.
    pub file: WalFile,
    /// How it is packed.
    pub codec: Codec,
    /// Its size as stored, in bytes.
    pub bytes: u64,
    /// When it was written.
    pub written: DateTime<Utc>,
}

impl WalObject {
    /// Its key.
    pub fn key(&self) -> String {
        names::wal(self.file, self.codec)
    }
}

/// Files of the WAL by their names; of one that is there in several packings, the one that is read first.
/// There may be a million segments, so one takes 32 bytes.
#[derive(Default)]
pub struct WalFiles {
    size: SegmentSize,
    /// Packings in the order in which they are looked for.
    packings: Vec<Codec>,
    segments: BTreeMap<Timeline, Vec<Entry>>,
    others: BTreeMap<WalFile, WalObject>,
}

struct Entry {
    number: u64,
    bytes: u64,
    written: DateTime<Utc>,
    codec: Codec,
}

impl WalFiles {
    pub(super) fn new(size: SegmentSize, packings: Vec<Codec>) -> Self {
        Self { size, packings, ..Self::default() }
    }

    pub(super) fn insert(&mut self, object: WalObject) {
        let rank = |codec| self.packings.iter().position(|known| *known == codec);
        let WalFile::Segment(segment) = object.file else {
            if self.others.get(&object.file).is_none_or(|known| rank(object.codec) < rank(known.codec)) {
                self.others.insert(object.file, object);
            }
            return;
        };
        let WalObject { codec, bytes, written, .. } = object;
        let entry = Entry { number: segment.number, bytes, written, codec };
        let entries = self.segments.entry(segment.timeline).or_default();
        // A listing comes in the order of names, which is that of numbers.
        if entries.last().is_none_or(|last| last.number < entry.number) {
            return entries.push(entry);
        }
        match entries.binary_search_by_key(&entry.number, |known| known.number) {
            Ok(at) if rank(codec) < rank(entries[at].codec) => entries[at] = entry,
            Ok(_) => {}
            Err(at) => entries.insert(at, entry),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.others.is_empty()
    }

    /// The object that holds a file.
    pub fn get(&self, file: WalFile) -> Option<WalObject> {
        let WalFile::Segment(segment) = file else { return self.others.get(&file).copied() };
        let entries = self.segments.get(&segment.timeline).filter(|_| segment.size == self.size)?;
        let at = entries.binary_search_by_key(&segment.number, |known| known.number).ok()?;
        Some(entries[at].object(segment))
    }

    /// Segments, by timeline and number.
    pub fn segments(&self) -> impl Iterator<Item = (Segment, WalObject)> {
        self.segments.iter().flat_map(|(timeline, entries)| {
            entries.iter().map(|entry| {
                let segment = Segment { timeline: *timeline, number: entry.number, size: self.size };
                (segment, entry.object(segment))
            })
        })
    }

    /// The number of the last segment of a timeline.
    pub fn last(&self, timeline: Timeline) -> Option<u64> {
        Some(self.segments.get(&timeline)?.last()?.number)
    }

    /// What is no segment.
    pub fn others(&self) -> impl Iterator<Item = &WalObject> {
        self.others.values()
    }

    /// Everything.
    pub fn iter(&self) -> impl Iterator<Item = WalObject> {
        self.segments().map(|(_, object)| object).chain(self.others().copied())
    }

    /// The timelines of which there is anything.
    pub fn timelines(&self) -> impl Iterator<Item = Timeline> {
        self.segments.keys().copied().chain(self.others.keys().map(|file| file.timeline()))
    }
}

impl Entry {
    fn object(&self, segment: Segment) -> WalObject {
        let Self { codec, bytes, written, .. } = *self;
        WalObject { file: WalFile::Segment(segment), codec, bytes, written }
    }
}

impl fmt::Debug for WalFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
