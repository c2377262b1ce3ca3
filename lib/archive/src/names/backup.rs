//! Names of base backups.

use std::fmt;
use std::str::FromStr;

use crate::Corrupt;
use crate::wal::{Segment, SegmentSize, Timeline};

/// `base_` and the segment in which the backup begins; behind `_D_` the segment of a delta's parent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackupName(String);

/// Where the digits of the segment are.
const START: std::ops::Range<usize> = 5..29;

impl BackupName {
    /// The name of a full backup that begins in this segment.
    pub fn full(start: Segment) -> Self {
        Self(format!("base_{start}"))
    }

    /// The name of a delta that begins in this segment, on this parent.
    pub fn delta(start: Segment, parent: &Self) -> Self {
        Self(format!("base_{start}_D_{}", parent.start_digits()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the segment in which it begins, 24 digits.
    pub fn start_digits(&self) -> &str {
        &self.0[START]
    }

    /// The segment in which it begins.
    pub fn start(&self, size: SegmentSize) -> Result<Segment, Corrupt> {
        Segment::parse(self.start_digits(), size)
    }

    /// The timeline on which it begins.
    pub fn timeline(&self) -> Option<Timeline> {
        Timeline::parse(&self.0[5..13])
    }

    /// The digits of the parent's segment, of a delta. The parent's own name is in the sentinel alone.
    pub fn parent_digits(&self) -> Option<&str> {
        self.0[START.end..].strip_prefix("_D_").map(|rest| &rest[..24])
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// So many upper-case hexadecimal digits, and what follows them.
fn digits(text: &str, count: usize) -> Option<&str> {
    let (digits, rest) = text.split_at_checked(count)?;
    digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')).then_some(rest)
}

impl FromStr for BackupName {
    type Err = Corrupt;

    /// `base_[0-9A-F]{24}(_D_[0-9A-F]{24})?(_[0-9A-F]{8})?`.
    fn from_str(text: &str) -> Result<Self, Corrupt> {
        let rest = || {
            let rest = digits(text.strip_prefix("base_")?, 24)?;
            let rest = rest.strip_prefix("_D_").map_or(Some(rest), |rest| digits(rest, 24))?;
            rest.strip_prefix('_').map_or(Some(rest), |rest| digits(rest, 8))
        };
        match rest() {
            Some("") => Ok(Self(text.to_owned())),
            _ => Err(Corrupt::new(format!("{text:?} is no name of a backup"))),
        }
    }
}
