//! Which files of a data directory go into a base backup, as WAL-G takes them (`bundle.go`), and
//! without what PostgreSQL itself leaves out of one (`basebackup.c`).

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::pages::PAGE_SIZE;
use crate::tarball::{Kind, Member};

/// Whether a folder is kept empty: its content is of no use to another server.
pub fn is_excluded_directory(name: &str) -> bool {
    const EMPTY: [&str; 12] = [
        "log",
        "pg_log",
        "pg_xlog",
        "pg_wal",
        "pgsql_tmp",
        "pg_dynshmem",
        "pg_notify",
        "pg_replslot",
        "pg_serial",
        "pg_stat_tmp",
        "pg_snapshots",
        "pg_subtrans",
    ];
    EMPTY.contains(&name)
}

/// Whether a file is left out.
pub fn is_excluded_file(name: &str) -> bool {
    const OUT: [&str; 9] = [
        "postgresql.auto.conf.tmp",
        "postmaster.pid",
        "postmaster.opts",
        "recovery.conf",
        "standby.signal",
        // The next are of an earlier backup or of the running server; WAL-G doesn't know them.
        "backup_label",
        "tablespace_map",
        "backup_manifest",
        "current_logfiles.tmp",
    ];
    OUT.contains(&name) || name.starts_with("pg_internal.init") || name.starts_with("pgsql_tmp") || is_temporary(name)
}

/// Whether a relation's file is a session's own: `t3_16384`.
fn is_temporary(name: &str) -> bool {
    let numbers = name.strip_prefix('t').and_then(|rest| rest.split_once('_'));
    let is_relation = |rest: &str| is_number(rest.split(['.', '_']).next().unwrap_or_default());
    numbers.is_some_and(|(backend, rest)| is_number(backend) && is_relation(rest))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether changed pages of the file can be stored alone: the main fork of a relation, outside `global`.
pub fn is_paged(member: &str, size: u64) -> bool {
    let transactions = ["pg_xact", "pg_clog", "pg_multixact"];
    let relations = ["base", "pg_tblspc"];
    let name = member.rsplit('/').next().unwrap_or_default();
    !transactions.iter().any(|folder| member.contains(folder))
        && relations.iter().any(|folder| member.contains(folder))
        && size > 0
        && size.is_multiple_of(PAGE_SIZE as u64)
        && relation(name).is_some_and(|(_, fork)| fork.is_none())
}

/// A relation's file: the relation's number and the fork, of which the main one has no name.
fn relation(name: &str) -> Option<(&str, Option<&str>)> {
    let (stem, number) = name.split_once('.').unwrap_or((name, "0"));
    let (relation, fork) = stem.split_once('_').map_or((stem, None), |(relation, fork)| (relation, Some(fork)));
    let is_fork = matches!(fork, None | Some("fsm" | "vm" | "init"));
    (is_number(number) && is_number(relation) && is_fork).then_some((relation, fork))
}

/// Whether it is a file of a relation, of whatever fork: all of their pages have checksums.
pub(crate) fn has_pages(member: &str) -> bool {
    let inside = ["/base/", "/global/", "/pg_tblspc/"].iter().any(|folder| member.starts_with(folder));
    inside && relation(member.rsplit('/').next().unwrap_or_default()).is_some()
}

/// The name of the fork that is there, beside another of the same relation, when the relation isn't logged.
pub(crate) fn init_fork(member: &str) -> Option<String> {
    let inside = ["/base/", "/pg_tblspc/"].iter().any(|folder| member.starts_with(folder));
    let (relation, fork) = relation(member.rsplit('/').next()?)?;
    (inside && fork != Some("init")).then(|| format!("{relation}_init"))
}

/// A folder or file that goes into the backup.
#[derive(Clone, Debug)]
pub struct Found {
    /// What its member will be.
    pub member: Member,
    /// Where it is.
    pub path: PathBuf,
    /// When it was changed, to the nanosecond: a delta goes by it.
    pub changed: DateTime<Utc>,
    /// Whether changed pages of it can be stored alone.
    pub paged: bool,
}

/// Walks a data directory with its tablespaces and hands everything that goes into a backup to `each`,
/// `global/pg_control` too, which belongs into a part of its own. What vanishes on the way is passed
/// over. Gives back the folders of tablespaces by their OID, and links that were left out.
pub fn walk(
    data: &Path,
    each: &mut dyn FnMut(Found) -> io::Result<()>,
) -> io::Result<(BTreeMap<String, PathBuf>, Vec<String>)> {
    let mut walk = Walk { each, tablespaces: BTreeMap::new(), left_out: Vec::new() };
    let root = found("/", data, &fs::metadata(data)?);
    (walk.each)(root)?;
    walk.folder("", data)?;
    Ok((walk.tablespaces, walk.left_out))
}

struct Walk<'e> {
    each: &'e mut dyn FnMut(Found) -> io::Result<()>,
    tablespaces: BTreeMap<String, PathBuf>,
    left_out: Vec<String>,
}

fn gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

impl Walk<'_> {
    fn folder(&mut self, member: &str, folder: &Path) -> io::Result<()> {
        let Some(entries) = gone(fs::read_dir(folder))? else { return Ok(()) };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| {
                io::Error::other(format!("{}: a name that is not UTF-8 can't be backed up", entry.path().display()))
            })?;
            if let Some(metadata) = gone(fs::symlink_metadata(entry.path()))? {
                self.entry(&format!("{member}/{name}"), name, &entry.path(), &metadata)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, member: &str, name: &str, path: &Path, metadata: &Metadata) -> io::Result<()> {
        if metadata.is_symlink() {
            return self.link(member, name, path);
        }
        if metadata.is_dir() {
            (self.each)(found(member, path, metadata))?;
            return if is_excluded_directory(name) { Ok(()) } else { self.folder(member, path) };
        }
        if !metadata.is_file() || is_excluded_file(name) || is_excluded_directory(name) {
            return Ok(());
        }
        (self.each)(found(member, path, metadata))
    }

    /// Links to tablespaces are followed. A folder that is kept empty may be a link; the link isn't kept.
    fn link(&mut self, member: &str, name: &str, path: &Path) -> io::Result<()> {
        let Some(behind) = gone(fs::metadata(path))? else { return Ok(()) };
        if member.strip_prefix("/pg_tblspc/") == Some(name) && behind.is_dir() {
            // What is behind the link goes into the tar, the link's own name doesn't.
            self.tablespaces.insert(name.to_owned(), fs::read_link(path)?);
            return self.folder(member, path);
        }
        if behind.is_dir() && is_excluded_directory(name) {
            return (self.each)(found(member, path, &behind));
        }
        self.left_out.push(member.to_owned());
        Ok(())
    }
}

fn found(name: &str, path: &Path, metadata: &Metadata) -> Found {
    let kind = if metadata.is_dir() { Kind::Directory } else { Kind::File };
    let size = if metadata.is_dir() { 0 } else { metadata.len() };
    let nanoseconds = u32::try_from(metadata.mtime_nsec()).unwrap_or(0);
    let member = Member {
        name: name.to_owned(),
        kind,
        size,
        mode: metadata.mode() & 0o7777,
        uid: u64::from(metadata.uid()),
        gid: u64::from(metadata.gid()),
        mtime: u64::try_from(metadata.mtime()).unwrap_or(0),
    };
    Found {
        paged: kind == Kind::File && is_paged(name, size),
        changed: DateTime::from_timestamp(metadata.mtime(), nanoseconds).unwrap_or_default(),
        path: path.to_owned(),
        member,
    }
}
