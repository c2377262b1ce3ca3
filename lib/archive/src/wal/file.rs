//! Files that a server hands to `archive_command` and asks of `restore_command`.

use std::fmt;

use super::segment::hex8;
use super::{Segment, SegmentSize, Timeline};
use crate::Corrupt;

/// A file of `pg_wal` that is archived, by its name (`xlog_internal.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WalFile {
    /// A whole segment.
    Segment(Segment),
    /// The last segment of a timeline that ended within it.
    Partial(Segment),
    /// The history file of a backup: the segment and the offset in it where the backup began.
    Backup(Segment, u32),
    /// The history of a timeline.
    History(Timeline),
}

impl WalFile {
    /// Reads a name.
    pub fn parse(name: &str, size: SegmentSize) -> Result<Self, Corrupt> {
        let none = || Corrupt::new(format!("{name:?} is no name of a WAL file"));
        match name.split_once('.') {
            None => Segment::parse(name, size).map(Self::Segment),
            Some((segment, "partial")) => Segment::parse(segment, size).map(Self::Partial),
            Some((timeline, "history")) => Timeline::parse(timeline).map(Self::History).ok_or_else(none),
            Some((segment, rest)) => {
                let offset = rest.strip_suffix(".backup").and_then(hex8).ok_or_else(none)?;
                Segment::parse(segment, size).map(|segment| Self::Backup(segment, offset))
            }
        }
    }

    /// The number of the segment in the name; a timeline's history has none.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Segment(segment) | Self::Partial(segment) | Self::Backup(segment, _) => Some(segment.number),
            Self::History(_) => None,
        }
    }

    /// The timeline in the name.
    pub fn timeline(self) -> Timeline {
        match self {
            Self::Segment(segment) | Self::Partial(segment) | Self::Backup(segment, _) => segment.timeline,
            Self::History(timeline) => timeline,
        }
    }
}

impl fmt::Display for WalFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(segment) => segment.fmt(f),
            Self::Partial(segment) => write!(f, "{segment}.partial"),
            Self::Backup(segment, offset) => write!(f, "{segment}.{offset:08X}.backup"),
            Self::History(timeline) => write!(f, "{:08X}.history", timeline.0),
        }
    }
}
