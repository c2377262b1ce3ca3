//! Sorts the members of a server's tars into parts, under the names that WAL-G gives them; of a delta,
//! only the pages that have changed.

use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;

use chrono::DateTime;
use tempfile::SpooledTempFile;

use super::Parent;
use super::pack::Packer;
use super::plan::{LABEL, PG_CONTROL};
use crate::Corrupt;
use crate::backup::{is_excluded_directory, is_excluded_file, is_paged};
use crate::documents::FileEntry;
use crate::objects::Keys;
use crate::pages::{IncrementWriter, PAGE_SIZE, Page};
use crate::tarball::{Kind, Member, read_server_members};

pub(super) const MAP: &str = "tablespace_map";
/// Of the files that are kept in memory, the longest.
const LONGEST: u64 = 16 << 20;
/// Changed pages of a file beyond this many bytes go through a temporary file.
const IN_MEMORY: usize = 4 << 20;

/// The members that were stored. There may be a million.
#[derive(Debug, Default)]
pub(super) struct Stored {
    names: Keys,
    /// Of each in its turn the time of its last change, and whether only changed pages are stored.
    entries: Vec<(i64, bool)>,
    /// Those of each part, by its number.
    parts: Vec<Keys>,
}

impl Stored {
    fn add(&mut self, member: &Member, is_incremented: bool, part: usize) {
        self.names.push(&member.name);
        self.entries.push((i64::try_from(member.mtime).unwrap_or_default(), is_incremented));
        if self.parts.len() <= part {
            self.parts.resize_with(part + 1, Keys::default);
        }
        self.parts[part].push(&member.name);
    }

    /// How many.
    pub(super) fn members(&self) -> u64 {
        self.names.len() as u64
    }

    /// How many of them hold changed pages alone.
    pub(super) fn incremented(&self) -> u64 {
        self.entries.iter().filter(|(_, is_incremented)| *is_incremented).count() as u64
    }

    /// Each with its name.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, FileEntry)> {
        self.names.iter().zip(&self.entries).map(|(name, (seconds, is_incremented))| {
            let mtime = DateTime::from_timestamp(*seconds, 0).unwrap_or_default();
            let is_incremented = *is_incremented;
            (name, FileEntry { is_incremented, is_skipped: false, mtime, corrupt_blocks: None, updates_count: 0 })
        })
    }

    /// The names of those in the part of this number.
    pub(super) fn of_part(&self, part: usize) -> impl Iterator<Item = String> {
        self.parts.get(part).into_iter().flat_map(Keys::iter)
    }
}

/// What comes together while tars pass.
pub(super) struct Sorter {
    pub(super) packer: Packer,
    pub(super) parent: Option<Arc<Parent>>,
    pub(super) stored: Stored,
    /// The files that go into parts of their own.
    pub(super) control: Option<(Member, Vec<u8>)>,
    pub(super) label: Option<(Member, Vec<u8>)>,
    pub(super) map: Option<(Member, Vec<u8>)>,
    /// Bytes of the cluster, as they were.
    pub(super) catalog_bytes: u64,
}

impl Sorter {
    pub(super) fn new(packer: Packer, parent: Option<Arc<Parent>>) -> Self {
        Self { packer, parent, stored: Stored::default(), control: None, label: None, map: None, catalog_bytes: 0 }
    }

    /// Takes the tar of the data folder, or of a tablespace.
    pub(super) fn tar(&mut self, tablespace: Option<u32>, source: &mut dyn Read) -> io::Result<()> {
        if tablespace.is_none() {
            let root =
                Member { name: "/".to_owned(), kind: Kind::Directory, size: 0, mode: 0o700, uid: 0, gid: 0, mtime: 0 };
            self.store(&root, &mut io::empty(), false)?;
        }
        read_server_members(source, &mut |member, content| self.member(tablespace, member, content))
    }

    fn member(&mut self, tablespace: Option<u32>, member: &Member, content: &mut dyn Read) -> io::Result<()> {
        let inner = member.name.trim_end_matches('/').trim_start_matches("./");
        let kept = match inner {
            LABEL if tablespace.is_none() => &mut self.label,
            MAP if tablespace.is_none() => &mut self.map,
            "global/pg_control" if tablespace.is_none() => &mut self.control,
            _ => return self.file(tablespace, inner, member, content),
        };
        if member.size > LONGEST {
            return Err(Corrupt::new(format!("the server's {inner} is longer than 16 MiB")).into());
        }
        let name = if inner == LABEL || inner == MAP { inner } else { PG_CONTROL };
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        *kept = Some((Member { name: name.to_owned(), ..member.clone() }, bytes));
        Ok(())
    }

    fn file(
        &mut self,
        tablespace: Option<u32>,
        inner: &str,
        member: &Member,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        let (above, name) = inner.rsplit_once('/').unwrap_or(("", inner));
        let hidden = above.split('/').any(is_excluded_directory);
        if inner.is_empty() || hidden || member.kind == Kind::File && is_excluded_file(name) {
            return Ok(());
        }
        let name = match tablespace {
            None => format!("/{inner}"),
            Some(oid) => format!("/pg_tblspc/{oid}/{inner}"),
        };
        self.sort(&Member { name, ..member.clone() }, content)
    }

    /// Takes a folder or file under its name in the backup.
    pub(super) fn sort(&mut self, member: &Member, content: &mut dyn Read) -> io::Result<()> {
        self.catalog_bytes += member.size;
        let parent = self.parent.clone();
        match parent {
            Some(parent) if is_paged(&member.name, member.size) && parent.has(&member.name) => {
                let (mut pages, size) = changed(&parent, member.size, content)?;
                self.store(&Member { size, ..member.clone() }, &mut pages, true)
            }
            _ => self.store(member, content, false),
        }
    }

    fn store(&mut self, member: &Member, content: &mut dyn Read, is_incremented: bool) -> io::Result<()> {
        let part = self.packer.add(member, content)?;
        self.stored.add(member, is_incremented, part);
        Ok(())
    }
}

/// The changed pages of a file, as a file of their own, and its size. A page whose header is none of
/// PostgreSQL's counts as changed: what it was before isn't known.
fn changed(parent: &Parent, size: u64, content: &mut dyn Read) -> io::Result<(impl Read + use<>, u64)> {
    let mut pages = SpooledTempFile::new(IN_MEMORY);
    let mut blocks: Vec<u32> = Vec::new();
    let mut bytes = [0; PAGE_SIZE];
    for block in 0..size / PAGE_SIZE as u64 {
        content.read_exact(&mut bytes)?;
        let page = Page::new(&bytes);
        if page.is_new() || !page.is_valid() || page.lsn() >= parent.since {
            pages.write_all(&bytes)?;
            blocks.push(u32::try_from(block).map_err(io::Error::other)?);
        }
    }
    pages.seek(SeekFrom::Start(0))?;
    let mut header = Vec::new();
    IncrementWriter::new(&mut header, size, &blocks)?;
    let length = IncrementWriter::<Vec<u8>>::length(&blocks);
    Ok((io::Cursor::new(header).chain(pages), length))
}
