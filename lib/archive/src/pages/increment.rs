//! Files of changed pages alone, as WAL-G writes them (`pagefile.go`).
//!
//! `wi1U`, the file's size in 8 bytes, the number of pages in 4, their block numbers in 4 each,
//! ascending, and the pages; all little-endian. Of a file that grew while it was read, WAL-G stores
//! pages behind that size.

use std::io::{self, Read, Write};

use super::header::{PAGE_SIZE, Page};
use crate::reading::fill;
use crate::wal::Lsn;

pub(super) const SIGNATURE: [u8; 4] = *b"wi1\x55";
pub(super) const HEADER: usize = 16;

/// The blocks of a file that a delta needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These, ascending.
    Blocks(Vec<u32>),
    /// This block's header is none of PostgreSQL's: the file is to be stored whole.
    Invalid(u32),
}

/// Reads a file and selects the pages that changed at or after a position, and those on which nothing
/// was ever put. Less than a page at the end is left out: the file was growing while it was read.
pub fn select(mut file: impl Read, since: Lsn) -> io::Result<Selection> {
    let mut blocks = Vec::new();
    let mut buffer = vec![0; 64 * PAGE_SIZE];
    let mut next = 0_u32;
    loop {
        let filled = fill(&mut file, &mut buffer)?;
        let (pages, _) = buffer[..filled].as_chunks::<PAGE_SIZE>();
        for bytes in pages {
            let page = Page::new(bytes);
            let new = page.is_new();
            if !new && !page.is_valid() {
                return Ok(Selection::Invalid(next));
            }
            if new || page.lsn() >= since {
                blocks.push(next);
            }
            next = next.checked_add(1).ok_or_else(|| io::Error::other("the file has too many pages"))?;
        }
        if filled < buffer.len() {
            return Ok(Selection::Blocks(blocks));
        }
    }
}

/// Writes such a file: the header at once, then the pages one by one.
#[derive(Debug)]
pub struct IncrementWriter<W> {
    sink: W,
    missing: usize,
}

impl<W: Write> IncrementWriter<W> {
    /// How long it will be: known before, for it goes into a tar.
    pub fn length(blocks: &[u32]) -> u64 {
        HEADER as u64 + blocks.len() as u64 * (4 + PAGE_SIZE as u64)
    }

    /// Writes the header of a file of this size, of which these blocks follow.
    pub fn new(mut sink: W, size: u64, blocks: &[u32]) -> io::Result<Self> {
        let count = u32::try_from(blocks.len()).map_err(io::Error::other)?;
        let mut header = Vec::with_capacity(HEADER + 4 * blocks.len());
        header.extend_from_slice(&SIGNATURE);
        header.extend_from_slice(&size.to_le_bytes());
        header.extend_from_slice(&count.to_le_bytes());
        for block in blocks {
            header.extend_from_slice(&block.to_le_bytes());
        }
        sink.write_all(&header)?;
        Ok(Self { sink, missing: blocks.len() })
    }

    /// Writes the next block.
    pub fn page(&mut self, page: &[u8; PAGE_SIZE]) -> io::Result<()> {
        let missing = self.missing.checked_sub(1);
        self.missing = missing.ok_or_else(|| io::Error::other("there is a page more than blocks"))?;
        self.sink.write_all(page)
    }

    /// Gives back what was written to, when all pages are there.
    pub fn finish(self) -> io::Result<W> {
        if self.missing > 0 {
            return Err(io::Error::other(format!("{} pages are missing", self.missing)));
        }
        Ok(self.sink)
    }
}
