//! The header of a page (`bufpage.h`), judged as WAL-G judges it.

use crate::wal::Lsn;

/// The size of a page, as all packages of PostgreSQL are built.
pub const PAGE_SIZE: usize = 8192;

const HEADER: u16 = 24;
const KNOWN_FLAGS: u16 = 7;
const LAYOUT: u16 = 4;

/// A page of a relation.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a>(&'a [u8; PAGE_SIZE]);

impl<'a> Page<'a> {
    /// A page of these bytes.
    pub fn new(bytes: &'a [u8; PAGE_SIZE]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn bytes(self) -> &'a [u8; PAGE_SIZE] {
        self.0
    }

    fn field(self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    /// The position after the record that changed it last.
    pub fn lsn(self) -> Lsn {
        let half = |at| u64::from(self.field(at)) | u64::from(self.field(at + 2)) << 16;
        Lsn(half(0) << 32 | half(4))
    }

    /// The checksum that it holds; 0 where checksums are off.
    pub fn checksum(self) -> u16 {
        self.field(8)
    }

    /// Whether nothing was ever put on it, as `PageIsNew`.
    pub fn is_new(self) -> bool {
        self.field(14) == 0
    }

    /// Whether every byte is zero.
    pub fn is_zero(self) -> bool {
        let (words, _) = self.0.as_chunks::<16>();
        words.iter().all(|word| *word == [0; 16])
    }

    /// Whether the header is one that PostgreSQL writes.
    pub fn is_valid(self) -> bool {
        let (flags, lower, upper, special) = (self.field(10), self.field(12), self.field(14), self.field(16));
        flags & !KNOWN_FLAGS == 0
            && lower >= HEADER
            && lower <= upper
            && upper <= special
            && usize::from(special) <= PAGE_SIZE
            && self.lsn() != Lsn::INVALID
            && usize::from(self.field(18) - self.field(18) % 256) == PAGE_SIZE
            && self.field(18) % 256 == LAYOUT
    }
}
