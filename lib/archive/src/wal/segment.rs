//! Segments, the files that the log is cut into (`xlog_internal.h`).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Lsn, PageHeader};
use crate::Corrupt;

/// The size of a segment: a power of two from 1 MiB to 1 GiB, fixed when the cluster is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentSize(u32);

impl SegmentSize {
    /// 16 MiB, what `initdb` takes unless told otherwise.
    pub const DEFAULT: Self = Self(16 << 20);

    /// A size that PostgreSQL takes.
    pub fn new(bytes: u64) -> Result<Self, Corrupt> {
        let sound = bytes.is_power_of_two() && (1 << 20..=1 << 30).contains(&bytes);
        let bytes = u32::try_from(bytes).ok().filter(|_| sound);
        bytes.map(Self).ok_or_else(|| Corrupt::new("a WAL segment's size is a power of two from 1 MiB to 1 GiB"))
    }

    /// Bytes.
    pub const fn bytes(self) -> u64 {
        self.0 as u64
    }

    /// How many segments share the middle eight digits of a name.
    pub const fn per_log(self) -> u64 {
        (1 << 32) / self.bytes()
    }
}

impl Default for SegmentSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A timeline: 1 when a cluster is made, one more than the highest known with every promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timeline(pub u32);

impl Timeline {
    /// The timeline's part of a name.
    pub(crate) fn parse(digits: &str) -> Option<Self> {
        hex8(digits).filter(|number| *number > 0).map(Self)
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Eight upper-case hexadecimal digits, as PostgreSQL writes them.
pub(crate) fn hex8(digits: &str) -> Option<u32> {
    let sound = digits.len() == 8 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    sound.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// One segment of one timeline. Shown as its name of 24 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Segment {
    /// The timeline in its name. Pages before a switch, copied at promotion, are of earlier ones.
    pub timeline: Timeline,
    /// Its number: its first position divided by the size.
    pub number: u64,
    /// The size of all of the cluster's segments.
    pub size: SegmentSize,
}

impl Segment {
    /// The segment in which a position lies.
    pub fn containing(timeline: Timeline, at: Lsn, size: SegmentSize) -> Self {
        Self { timeline, number: at.0 / size.bytes(), size }
    }

    /// The segment that holds the byte before a position: where a position ends what was written.
    pub fn ending_at(timeline: Timeline, at: Lsn, size: SegmentSize) -> Self {
        Self::containing(timeline, Lsn(at.0.saturating_sub(1)), size)
    }

    /// Reads a name of 24 digits.
    pub fn parse(name: &str, size: SegmentSize) -> Result<Self, Corrupt> {
        let part = |at: usize| name.get(at..at + 8);
        let read = || {
            let timeline = Timeline::parse(part(0)?)?;
            let (log, low) = (hex8(part(8)?)?, hex8(part(16)?)?);
            let sound = name.len() == 24 && u64::from(low) < size.per_log();
            sound.then(|| Self { timeline, number: u64::from(log) * size.per_log() + u64::from(low), size })
        };
        read().ok_or_else(|| Corrupt::new(format!("{name:?} is no name of a WAL segment of {} bytes", size.bytes())))
    }

    /// Whether a file of this length, with this first page, is what the segment's name says, and of this
    /// system; what is wrong with it, otherwise.
    pub fn check(self, first: &[u8], length: u64, system: Option<u64>) -> Result<(), String> {
        if length != self.size.bytes() {
            return Err(format!("it has {length} bytes instead of {}", self.size.bytes()));
        }
        let header = PageHeader::parse(first)?;
        match (header.long, system) {
            (None, _) => Err("its first page doesn't say whose it is".to_owned()),
            (Some(long), Some(system)) if long.system != system => {
                Err(format!("it is of system {}, and this is system {system}", long.system))
            }
            _ if header.at != self.start() => Err(format!("it begins at {}", header.at)),
            _ if header.timeline > self.timeline => Err(format!("it is of timeline {}", header.timeline)),
            _ => Ok(()),
        }
    }

    /// Its first position.
    pub const fn start(self) -> Lsn {
        Lsn(self.number * self.size.bytes())
    }

    /// The position after its last byte.
    pub const fn end(self) -> Lsn {
        Lsn((self.number + 1).saturating_mul(self.size.bytes()))
    }

    /// The one after it on the same timeline.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { number: self.number + 1, ..self }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (log, low) = (self.number / self.size.per_log(), self.number % self.size.per_log());
        write!(f, "{:08X}{log:08X}{low:08X}", self.timeline.0)
    }
}
