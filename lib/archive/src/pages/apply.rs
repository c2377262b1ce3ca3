//! Reads files of changed pages and puts them over the file that they change.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use super::header::PAGE_SIZE;
use super::increment::{HEADER, SIGNATURE};
use crate::Corrupt;
use crate::reading::fill;

/// The largest file of a relation.
const LARGEST: u64 = super::BLOCKS_PER_FILE as u64 * PAGE_SIZE as u64;

/// Changed pages that are being read.
#[derive(Debug)]
pub struct Increment<R> {
    source: R,
    size: u64,
    blocks: Vec<u32>,
    given: usize,
    page: Box<[u8; PAGE_SIZE]>,
}

fn corrupt<T>(what: impl Into<String>) -> io::Result<T> {
    Err(Corrupt::new(format!("changed pages: {}", what.into())).into())
}

impl<R: Read> Increment<R> {
    /// Reads the header. Blocks must ascend: WAL-G writes no others.
    ///
    /// They may lie behind the file's end. WAL-G takes the size when it opens the file and reads until it
    /// ends, so the pages of a file that grew in between follow; the WAL since the backup's start makes
    /// them anew, and they aren't given.
    pub fn new(mut source: R) -> io::Result<Self> {
        let mut header = [0; HEADER];
        if fill(&mut source, &mut header)? < HEADER {
            return corrupt("they are cut off in the header");
        }
        if header[..4] != SIGNATURE {
            return corrupt("the signature is wrong");
        }
        let size = u64::from_le_bytes(header[4..12].try_into().unwrap_or_default());
        let count = u32::from_le_bytes(header[12..].try_into().unwrap_or_default());
        if size > LARGEST {
            return corrupt(format!("they are of a file of {size} bytes"));
        }
        if count > super::BLOCKS_PER_FILE {
            return corrupt(format!("{count} pages are more than a file has"));
        }
        let mut bytes = vec![0; 4 * count as usize];
        if fill(&mut source, &mut bytes)? < bytes.len() {
            return corrupt("they are cut off among the numbers of blocks");
        }
        let (numbers, _) = bytes.as_chunks::<4>();
        let blocks: Vec<u32> = numbers.iter().map(|number| u32::from_le_bytes(*number)).collect();
        if !blocks.is_sorted_by(|a, b| a < b) || blocks.last().is_some_and(|last| *last >= super::BLOCKS_PER_FILE) {
            return corrupt("the numbers of blocks don't ascend within a file");
        }
        Ok(Self { source, size, blocks, given: 0, page: Box::new([0; PAGE_SIZE]) })
    }

    /// The size that the file is to have.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The numbers of all blocks that are stored.
    pub fn blocks(&self) -> &[u32] {
        &self.blocks
    }

    /// The next block within the file, its number first. `None` behind the last, where the source must end.
    pub fn next_page(&mut self) -> io::Result<Option<(u32, &[u8; PAGE_SIZE])>> {
        loop {
            let Some(block) = self.blocks.get(self.given).copied() else {
                return if fill(&mut self.source, &mut [0])? == 0 {
                    Ok(None)
                } else {
                    corrupt("something follows them")
                };
            };
            if fill(&mut self.source, &mut *self.page)? < PAGE_SIZE {
                return corrupt("they are cut off");
            }
            self.given += 1;
            if (u64::from(block) + 1) * PAGE_SIZE as u64 <= self.size {
                return Ok(Some((block, &self.page)));
            }
        }
    }
}

/// Puts changed pages over a file and gives it its size.
pub fn apply(source: impl Read, file: &File) -> io::Result<()> {
    let mut increment = Increment::new(source)?;
    file.set_len(increment.size())?;
    while let Some((block, page)) = increment.next_page()? {
        file.write_all_at(page, u64::from(block) * PAGE_SIZE as u64)?;
    }
    Ok(())
}
