//! A part of a backup: a tar whose members are compared with the list, and looked into.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::members::List;
use crate::backup::{BackupLabel, Control, TablespaceMap, has_pages};
use crate::pages::{self, Increment, PAGE_SIZE, Page};
use crate::tarball::{self, Kind, Member};
use crate::wal::{Lsn, SegmentSize};

/// How many findings of a part are told, and pages that are kept in mind.
const MOST: usize = 20;
const MOST_PAGES: usize = 10_000;
/// Members that are in no list of files.
const CONTROL: &str = "/global/pg_control";
const UTILITY: [&str; 3] = [CONTROL, "backup_label", "tablespace_map"];

/// What was found in a part.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) key: String,
    pub(super) wrong: Vec<String>,
    pub(super) control: Option<Control>,
    pub(super) label: Option<Label>,
    /// Pages whose checksum is wrong: the member and the block in its relation's fork.
    pub(super) pages: Vec<(String, u32)>,
}

/// Where recovery begins, and where tablespaces were.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) label: BackupLabel,
    pub(super) map: TablespaceMap,
}

/// What a part is read for.
pub(super) struct Checks {
    pub(super) part: String,
    /// Where the backup began: pages that were changed since may be torn, and the log repairs them.
    pub(super) since: Lsn,
    pub(super) size: SegmentSize,
    pub(super) files: Arc<Mutex<List>>,
    pub(super) listed: bool,
    pub(super) found: Found,
}

impl Checks {
    /// Reads the part to its end.
    pub(super) fn read(mut self, content: &mut dyn Read) -> io::Result<Found> {
        let mut map = TablespaceMap::default();
        let mut label = None;
        tarball::read_members(content, &mut |member, content| {
            if let Err(corrupt) = tarball::relative(&member.name) {
                self.wrong(corrupt.to_string());
            }
            match member.name.as_str() {
                CONTROL => {
                    let bytes = small(content)?;
                    match Control::parse(&bytes) {
                        Ok(control) => self.found.control = Some(control),
                        Err(corrupt) => self.wrong(corrupt.to_string()),
                    }
                }
                "backup_label" => match BackupLabel::parse(&small(content)?, self.size) {
                    Ok(read) => label = Some(read),
                    Err(corrupt) => self.wrong(corrupt.to_string()),
                },
                "tablespace_map" => match TablespaceMap::parse(&small(content)?) {
                    Ok(read) => map = read,
                    Err(corrupt) => self.wrong(corrupt.to_string()),
                },
                _ => {}
            }
            self.member(member, content)
        })?;
        self.found.label = label.map(|label| Label { label, map });
        Ok(self.found)
    }

    fn wrong(&mut self, what: String) {
        if self.found.wrong.len() < MOST {
            self.found.wrong.push(what);
        }
    }

    fn member(&mut self, member: &Member, content: &mut dyn Read) -> io::Result<()> {
        let mut incremented = false;
        if self.listed {
            let seen = self.files.lock().unwrap_or_else(PoisonError::into_inner).see(&self.part, &member.name);
            match seen {
                // What a list of parts names alone is a utility file, too.
                Ok(entry) if entry.listed => {
                    incremented = entry.incremented;
                    if entry.skipped {
                        self.wrong(format!("{:?} is there, and listed as being as in the parent", member.name));
                    } else if !is_second_of(entry.mtime, member.mtime) {
                        self.wrong(format!("{:?} is of another time than listed", member.name));
                    }
                }
                Ok(_) => {}
                Err(_) if UTILITY.contains(&member.name.as_str()) => {}
                Err(what) => self.wrong(format!("{:?} {what}", member.name)),
            }
        }
        if member.kind != Kind::File {
            return Ok(());
        }
        if incremented { self.increment(member, content) } else { self.pages(member, content) }
    }

    fn increment(&mut self, member: &Member, content: &mut dyn Read) -> io::Result<()> {
        let first = pages::first_block(&member.name);
        let checked = (|| {
            let mut increment = Increment::new(content)?;
            while let Some((block, page)) = increment.next_page()? {
                self.page(member, first.saturating_add(block), page);
            }
            Ok(())
        })();
        match checked {
            Err(error)
                if crate::Corrupt::is_behind(&error)
                    && crate::Corrupt::of(&error).is_some_and(|c| c.to_string().starts_with("changed pages")) =>
            {
                self.wrong(format!("{:?}: {error}", member.name));
                Ok(())
            }
            other => other,
        }
    }

    fn pages(&mut self, member: &Member, content: &mut dyn Read) -> io::Result<()> {
        if !has_pages(&member.name) || !member.size.is_multiple_of(PAGE_SIZE as u64) {
            return Ok(());
        }
        let first = pages::first_block(&member.name);
        let mut page = [0; PAGE_SIZE];
        for block in 0..member.size / PAGE_SIZE as u64 {
            content.read_exact(&mut page)?;
            self.page(member, first.saturating_add(u32::try_from(block).unwrap_or(u32::MAX)), &page);
        }
        Ok(())
    }

    fn page(&mut self, member: &Member, block: u32, bytes: &[u8; PAGE_SIZE]) {
        let page = Page::new(bytes);
        if pages::is_damaged(page, block) && page.lsn() < self.since && self.found.pages.len() < MOST_PAGES {
            self.found.pages.push((member.name.clone(), block));
        }
    }
}

/// Whether a tar's whole seconds are of this time: WAL-G rounds them, others cut them.
fn is_second_of(listed: i64, seconds: u64) -> bool {
    u64::try_from(listed).is_ok_and(|listed| seconds == listed || seconds == listed + 1)
}

fn small(content: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    content.take(16 << 20).read_to_end(&mut bytes)?;
    Ok(bytes)
}
