//! Headers of the log's pages (`xlog_internal.h`).

use super::{Lsn, SegmentSize, Timeline, bytes};

/// The size of a page of the log, as all packages of PostgreSQL are built.
pub const PAGE_SIZE: usize = 8192;

/// The number at the start of every page, other in every major version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Magic(pub u16);

impl Magic {
    /// PostgreSQL 13 to 18.
    const KNOWN: [(u16, u32); 6] = [(0xD106, 13), (0xD10D, 14), (0xD110, 15), (0xD113, 16), (0xD116, 17), (0xD118, 18)];

    /// The major version that writes it.
    pub fn major(self) -> Option<u32> {
        Self::KNOWN.iter().find(|(magic, _)| *magic == self.0).map(|(_, major)| *major)
    }

    /// The number of a major version.
    pub fn of_major(major: u32) -> Option<Self> {
        Self::KNOWN.iter().find(|(_, known)| *known == major).map(|(magic, _)| Self(*magic))
    }
}

/// The first page of a segment says whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Long {
    /// The cluster's system identifier.
    pub system: u64,
    /// The size of the segment.
    pub size: SegmentSize,
}

/// The header of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageHeader {
    /// The version's number.
    pub magic: Magic,
    /// The timeline on which it was written.
    pub timeline: Timeline,
    /// Its position.
    pub at: Lsn,
    /// How many bytes of a record from before are still to come, 0 when the page begins with none.
    pub remaining: u32,
    /// A record that was cut off before this page has been given up.
    pub overwrites: bool,
    /// What the first page of a segment says besides.
    pub long: Option<Long>,
}

const CONTINUES: u16 = 1;
const LONG: u16 = 2;
const OVERWRITES: u16 = 8;
const ALL_FLAGS: u16 = 15;

impl PageHeader {
    /// The length of a short one, padded.
    pub(crate) const SHORT: usize = 24;
    /// The length of a long one.
    pub(crate) const LONG: usize = 40;

    /// Reads the header of a page of [`PAGE_SIZE`] bytes. What is wrong with it, otherwise.
    pub fn parse(page: &[u8]) -> Result<Self, &'static str> {
        let cut = "the page is cut off";
        let magic = Magic(bytes::u16(page, 0).ok_or(cut)?);
        let flags = bytes::u16(page, 2).ok_or(cut)?;
        let timeline = Timeline(bytes::u32(page, 4).ok_or(cut)?);
        let at = Lsn(bytes::u64(page, 8).ok_or(cut)?);
        let remaining = bytes::u32(page, 16).ok_or(cut)?;
        if magic.major().is_none() {
            return Err("the page's magic number is of no known version");
        }
        if flags & !ALL_FLAGS != 0 {
            return Err("the page has unknown flags");
        }
        if timeline.0 == 0 {
            return Err("the page is of no timeline");
        }
        if (flags & CONTINUES != 0) != (remaining != 0) {
            return Err("the page says both that a record continues and that none does");
        }
        let long = if flags & LONG == 0 {
            None
        } else {
            let system = bytes::u64(page, 24).ok_or(cut)?;
            let size = SegmentSize::new(u64::from(bytes::u32(page, 32).ok_or(cut)?));
            let size = size.map_err(|_| "the segment's size is none that PostgreSQL takes")?;
            if bytes::u32(page, 36).ok_or(cut)? as usize != PAGE_SIZE {
                return Err("the log's pages are not of 8192 bytes");
            }
            Some(Long { system, size })
        };
        Ok(Self { magic, timeline, at, remaining, overwrites: flags & OVERWRITES != 0, long })
    }

    /// The header's length: where records begin.
    pub(crate) fn len(&self) -> usize {
        if self.long.is_some() { Self::LONG } else { Self::SHORT }
    }
}
