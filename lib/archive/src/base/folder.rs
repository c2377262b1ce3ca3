//! Reads a base backup's files from the data folder of a running server, between `pg_backup_start` and
//! `pg_backup_stop`, as `basebackup.c` does for the protocol: what changes meanwhile, the WAL makes whole.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flotilla::{Code, Error, Result, failpoint};

use super::Parent;
use super::pack::Packer;
use super::plan::{LABEL, PG_CONTROL};
use super::sort::{MAP, Sorter};
use super::take::{Bounds, Taken};
use crate::archive::Archive;
use crate::backup::{BackupLabel, Control, Found, has_pages, init_fork, walk};
use crate::names::BackupName;
use crate::pages::{self, PAGE_SIZE, Page};
use crate::reading::fill;
use crate::tarball::{Kind, Member};
use crate::wal::{Lsn, SegmentSize, Timeline};

/// How often a file that is being written is read again before it counts as damaged, and how long apart: the server
/// writes a page by one call.
const LOOKS: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(20);
/// As many damaged pages are named.
const MOST_NAMED: usize = 5;

/// A server's data folder while a backup of it has begun.
#[derive(Clone, Debug)]
pub struct DataFolder {
    /// Where it is.
    pub path: PathBuf,
    /// Where the backup began.
    pub start: Lsn,
    /// The timeline on which it began.
    pub timeline: Timeline,
}

/// What the server says when a backup ends.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Where the WAL that the backup needs ends.
    pub finish: Lsn,
    /// `backup_label`.
    pub label: String,
    /// `tablespace_map`; empty where there are no tablespaces.
    pub map: String,
}

/// What was read of a data folder, before the server has ended the backup.
pub struct Reading {
    sorter: Sorter,
    bounds: Bounds,
    segment_size: SegmentSize,
    owner: (u64, u64),
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("name", &self.bounds.name).finish_non_exhaustive()
    }
}

/// Stores the files of a data folder, `global/pg_control` last: on a standby it says how far recovery must go
/// because of what was read before. `progress` is told the bytes that were read.
pub async fn read(
    archive: &Archive,
    name: &BackupName,
    system: u64,
    folder: DataFolder,
    parent: Option<Parent>,
    progress: Arc<dyn Fn(u64) + Send + Sync>,
) -> Result<Reading> {
    let sorter = Sorter::new(Packer::new(archive, name, system), parent.map(Arc::new));
    let place = folder.path.display().to_string();
    let left = Left(Arc::default());
    let given_up = Arc::clone(&left.0);
    let work = tokio::task::spawn_blocking(move || {
        let mut pass = Pass { sorter, folder, checked: false, damaged: Vec::new(), came: 0, progress, given_up };
        let outcome = pass.all(system);
        (pass, outcome)
    });
    let (pass, outcome) = work.await.map_err(|e| Error::internal("reading a data folder failed").source(e))?;
    let reading = match outcome {
        Ok(reading) => reading,
        // Where a part could not be sent, that is the reason why reading broke off.
        Err(error) => {
            if error.kind() == io::ErrorKind::BrokenPipe {
                pass.sorter.packer.finish().await?;
            }
            let hint = "Nothing is listed of this backup. Look at what caused it, then take it again.";
            return Err(Error::new(Code::Io, format!("{place} could not be read")).hint(hint).source(error));
        }
    };
    failpoint::hit("push.sorted");
    let Pass { sorter, folder, damaged, .. } = pass;
    if !damaged.is_empty() {
        let what = format!("{} pages are damaged: {}", damaged.len(), named(&damaged));
        return Err(Error::new(Code::Mismatch, format!("the server's data has a wrong checksum; {what}")).hint(
            "Nothing is listed of this backup. Restore the newest backup beside the server, see what is lost, and don't \
             write to that disk any more.",
        ));
    }
    let (segment_size, owner, locations) = reading;
    let bounds = Bounds { name: name.clone(), system, start: folder.start, timeline: folder.timeline, locations };
    Ok(Reading { sorter, bounds, segment_size, owner })
}

/// Tells the thread that reads when nobody waits for it any more.
struct Left(Arc<AtomicBool>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn named(damaged: &[String]) -> String {
    let more = if damaged.len() > MOST_NAMED { ", …" } else { "" };
    format!("{}{more}", damaged.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", "))
}

impl Reading {
    /// Stores what the server has said at the end, with which the parts are whole.
    pub async fn end(mut self, archive: &Archive, ended: Ended) -> Result<Taken> {
        let label = BackupLabel::parse(ended.label.as_bytes(), self.segment_size)?;
        if (label.start, label.timeline) != (self.bounds.start, self.bounds.timeline) {
            return Err(Error::new(Code::StateMoved, "the server has ended another backup than was begun")
                .hint("Nothing is listed of this backup. Take it again."));
        }
        let mtime = u64::try_from(chrono::Utc::now().timestamp()).unwrap_or_default();
        let (uid, gid) = self.owner;
        let member =
            |name: &str| Member { name: name.to_owned(), kind: Kind::File, size: 0, mode: 0o600, uid, gid, mtime };
        self.sorter.label = Some((member(LABEL), ended.label.into_bytes()));
        self.sorter.map = (!ended.map.is_empty()).then(|| (member(MAP), ended.map.into_bytes()));
        self.bounds.taken(archive, self.sorter, ended.finish).await
    }
}

/// One pass through a data folder.
struct Pass {
    sorter: Sorter,
    folder: DataFolder,
    /// Whether pages have checksums.
    checked: bool,
    damaged: Vec<String>,
    came: u64,
    progress: Arc<dyn Fn(u64) + Send + Sync>,
    given_up: Arc<AtomicBool>,
}

type Facts = (SegmentSize, (u64, u64), std::collections::BTreeMap<String, String>);

impl Pass {
    fn all(&mut self, system: u64) -> io::Result<Facts> {
        let data = self.folder.path.clone();
        let (control, _) = control(&data)?;
        self.checked = control.checksum_version != 0;
        let (tablespaces, links) = walk(&data, &mut |found| self.found(&found))?;
        // A link of a folder's would lead a restore elsewhere; of a file beside the configuration, its content is the
        // machine's.
        if let Some(link) = links.iter().find(|link| is_of_cluster(&data, link)) {
            return Err(io::Error::other(format!(
                "{}{link} is a link, and what is behind it would be missing",
                data.display()
            )));
        }
        let (control, bytes) = self::control(&data)?;
        if control.system_identifier != system {
            return Err(io::Error::other("its pg_control is of another cluster"));
        }
        let metadata = fs::metadata(data.join("global/pg_control"))?;
        let owner = (u64::from(metadata.uid()), u64::from(metadata.gid()));
        let member = Member {
            name: PG_CONTROL.to_owned(),
            kind: Kind::File,
            size: bytes.len() as u64,
            mode: metadata.mode() & 0o777,
            uid: owner.0,
            gid: owner.1,
            mtime: u64::try_from(metadata.mtime()).unwrap_or_default(),
        };
        self.sorter.control = Some((member, bytes));
        let locations = tablespaces.into_iter().map(|(oid, path)| (oid, path.display().to_string()));
        Ok((control.segment_size, owner, locations.collect()))
    }

    fn found(&mut self, found: &Found) -> io::Result<()> {
        let Found { member, path, .. } = found;
        let name = &member.name;
        // A table that isn't logged is empty after a recovery: of its files only the one that says so counts, and the
        // others change without a trace in the WAL.
        let is_unlogged = || init_fork(name).is_some_and(|fork| path.with_file_name(fork).exists());
        if name == PG_CONTROL || is_unlogged() {
            return Ok(());
        }
        if member.kind == Kind::Directory {
            return self.sorter.sort(member, &mut io::empty());
        }
        let file = match File::open(path) {
            // Its table was dropped since it was found, and the WAL says so.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?,
        };
        // As long as what was opened: it may be another than was found, put in its place.
        let member = &Member { size: file.metadata()?.len(), ..member.clone() };
        let pages = self.checked && has_pages(name) && member.size.is_multiple_of(PAGE_SIZE as u64);
        let mut content = Content {
            file,
            at: 0,
            size: member.size,
            pages,
            first: pages::first_block(name),
            start: self.folder.start,
            damaged: Vec::new(),
            given_up: &self.given_up,
        };
        self.sorter.sort(member, &mut content)?;
        self.damaged.extend(content.damaged.iter().map(|block| format!("block {block} of {name}")));
        self.came += member.size;
        (self.progress)(self.came);
        Ok(())
    }
}

/// Whether a link stands for something that the cluster can't do without.
fn is_of_cluster(data: &Path, link: &str) -> bool {
    let inner = link.trim_start_matches('/');
    inner.contains('/') || fs::metadata(data.join(inner)).is_ok_and(|behind| behind.is_dir())
}

/// `global/pg_control`, which the server may be writing at this moment.
fn control(data: &Path) -> io::Result<(Control, Vec<u8>)> {
    let mut looks = 0;
    loop {
        looks += 1;
        let bytes = fs::read(data.join("global/pg_control"))?;
        match Control::parse(&bytes) {
            Ok(control) => return Ok((control, bytes)),
            Err(corrupt) if looks == LOOKS => return Err(corrupt.into()),
            Err(_) => std::thread::sleep(BETWEEN),
        }
    }
}

/// A file as long as it was when it was found. What was cut off since is zeros, as the WAL will cut it off again;
/// what was added isn't read, as the WAL will add it.
struct Content<'p> {
    file: File,
    at: u64,
    size: u64,
    /// Whether it has pages with checksums.
    pages: bool,
    /// The number of its first block.
    first: u32,
    start: Lsn,
    damaged: Vec<u32>,
    given_up: &'p AtomicBool,
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given_up.load(Ordering::Relaxed) {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        let left = usize::try_from(self.size - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let buffer = &mut buffer[..wanted];
        let read = fill(&mut self.file, buffer)?;
        buffer[read..].fill(0);
        if self.pages {
            self.check(&mut buffer[..read])?;
        }
        self.at += wanted as u64;
        Ok(wanted)
    }
}

impl Content<'_> {
    /// Compares the checksums of the whole pages in what was read from here on.
    fn check(&mut self, read: &mut [u8]) -> io::Result<()> {
        let page = PAGE_SIZE as u64;
        // Everybody reads by multiples of pages, up to the end.
        if !self.at.is_multiple_of(page) {
            return Err(io::Error::other("a page was read in pieces"));
        }
        let first = self.at / page;
        let (pages, _) = read.as_chunks_mut::<PAGE_SIZE>();
        for (block, bytes) in (first..).zip(pages) {
            let number = self.first.saturating_add(u32::try_from(block).unwrap_or(u32::MAX));
            let mut looks = 1;
            while is_damaged(bytes, number, self.start) {
                if looks == LOOKS {
                    self.damaged.push(number);
                    break;
                }
                // The server may have written it while it was read; then it is newer by now, or whole.
                if looks > 1 {
                    std::thread::sleep(BETWEEN);
                }
                looks += 1;
                match self.file.read_exact_at(bytes, block * page) {
                    // It was cut off meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                    read => read?,
                }
            }
        }
        Ok(())
    }
}

/// Whether a page is neither as it was written nor changed since the backup began, from when on the WAL has all of it.
fn is_damaged(bytes: &[u8; PAGE_SIZE], block: u32, start: Lsn) -> bool {
    let page = Page::new(bytes);
    !page.is_new() && page.lsn() < start && page.checksum() != pages::checksum(page, block)
}
