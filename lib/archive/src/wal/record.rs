//! Records (`xlogrecord.h`).

use super::page::Magic;
use super::{Lsn, bytes};

/// The length of a record's header.
pub(crate) const HEADER: usize = 24;

/// The resource manager that wrote a record and replays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rmgr(pub u8);

impl Rmgr {
    /// The log itself: checkpoints, switches, restore points.
    pub const XLOG: Self = Self(0);
    /// Transactions.
    pub const TRANSACTION: Self = Self(1);

    /// The name by which `pg_waldump` of PostgreSQL 15 shows it; `None` of one that an extension brings.
    pub fn name(self) -> Option<&'static str> {
        const NAMES: [&str; 22] = [
            "XLOG",
            "Transaction",
            "Storage",
            "CLOG",
            "Database",
            "Tablespace",
            "MultiXact",
            "RelMap",
            "Standby",
            "Heap2",
            "Heap",
            "Btree",
            "Hash",
            "Gin",
            "Gist",
            "Sequence",
            "SPGist",
            "BRIN",
            "CommitTs",
            "ReplicationOrigin",
            "Generic",
            "LogicalMessage",
        ];
        NAMES.get(usize::from(self.0)).copied()
    }
}

/// A relation's files: tablespace, database, file number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelFile {
    /// The tablespace's OID.
    pub tablespace: u32,
    /// The database's OID; 0 of a shared relation.
    pub database: u32,
    /// The number in the file's name.
    pub number: u32,
}

/// A block that a record changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockRef {
    /// The relation.
    pub file: RelFile,
    /// 0 main, 1 free space map, 2 visibility map, 3 init.
    pub fork: u8,
    /// The block's number.
    pub block: u32,
    /// Whether the record carries the whole page.
    pub image: bool,
    /// Whether replaying the record makes the page anew, whatever was there.
    pub init: bool,
}

/// A record whose checksum was right.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where it begins.
    pub at: Lsn,
    /// The position after it, which recovery to it reaches.
    pub end: Lsn,
    /// Its transaction; 0 of none.
    pub xid: u32,
    /// Where the one before it begins.
    pub prev: Lsn,
    /// Who wrote it.
    pub rmgr: Rmgr,
    /// What it is, for its resource manager.
    pub info: u8,
    /// The version that wrote it.
    pub magic: Magic,
    /// Everything after the header.
    pub(crate) body: &'a [u8],
}

/// What a record is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    pub(crate) blocks: Vec<BlockRef>,
    /// The transaction above a subtransaction.
    pub(crate) main: &'a [u8],
}

const SAME_RELATION: u8 = 0x80;
const HAS_DATA: u8 = 0x20;
const HAS_IMAGE: u8 = 0x10;
const WILL_INIT: u8 = 0x40;

impl<'a> Record<'a> {
    /// Its whole length, header and all.
    pub fn length(&self) -> usize {
        HEADER + self.body.len()
    }

    /// The blocks that it changes, in its order. `None` when the record's inside is not as it must be.
    pub fn blocks(&self) -> Option<Vec<BlockRef>> {
        self.parts().map(|parts| parts.blocks)
    }

    /// Its main data.
    pub(crate) fn main(&self) -> Option<&'a [u8]> {
        self.parts().map(|parts| parts.main)
    }

    /// Walks the headers in front of the data, as `DecodeXLogRecord` does.
    pub(crate) fn parts(&self) -> Option<Parts<'a>> {
        let (mut at, mut after, mut main) = (0_usize, 0_usize, 0_usize);
        let mut parts = Parts::default();
        let mut file = None;
        while at.checked_add(after)? < self.body.len() {
            let id = self.body[at];
            match id {
                255 => {
                    main = usize::from(*self.body.get(at + 1)?);
                    (at, after) = (at + 2, after + main);
                    break;
                }
                254 => {
                    main = bytes::u32(self.body, at + 1)? as usize;
                    (at, after) = (at + 5, after.checked_add(main)?);
                    break;
                }
                253 => at += 3,
                252 => at += 5,
                0..=32 => {
                    let (header, data) = self.block(at, &mut file, &mut parts.blocks)?;
                    (at, after) = (at + header, after.checked_add(data)?);
                }
                _ => return None,
            }
        }
        // The data follow the headers in the same order, the main data last, and nothing is left over.
        if at.checked_add(after)? != self.body.len() {
            return None;
        }
        parts.main = &self.body[self.body.len() - main..];
        Some(parts)
    }

    /// The header of one block: its length, and that of the data which follow all headers.
    fn block(&self, at: usize, file: &mut Option<RelFile>, blocks: &mut Vec<BlockRef>) -> Option<(usize, usize)> {
        let flags = *self.body.get(at + 1)?;
        let mut data = usize::from(bytes::u16(self.body, at + 2)?);
        if (flags & HAS_DATA != 0) != (data > 0) {
            return None;
        }
        let mut length = 4;
        let image = flags & HAS_IMAGE != 0;
        if image {
            data += usize::from(bytes::u16(self.body, at + length)?);
            let info = *self.body.get(at + length + 4)?;
            length += 5;
            // From PostgreSQL 15 on there are three methods of compression; before, bit 1 meant the one.
            let methods = if self.magic.major()? >= 15 { 0x1C } else { 0x02 };
            if info & methods != 0 && info & 1 != 0 {
                length += 2;
            }
        }
        if flags & SAME_RELATION == 0 {
            let field = |number: usize| bytes::u32(self.body, at + length + 4 * number);
            *file = Some(RelFile { tablespace: field(0)?, database: field(1)?, number: field(2)? });
            length += 12;
        }
        let block = bytes::u32(self.body, at + length)?;
        let init = flags & WILL_INIT != 0;
        blocks.push(BlockRef { file: (*file)?, fork: flags & 0x0F, block, image, init });
        Some((length + 4, data))
    }
}
