//! Where a backup is restored to: what must be true of the place, and what marks it while it is being
//! filled.
//!
//! Until the end the folder has a marker and no `global/pg_control`, so no server starts on it, and the
//! next restore knows what it may clear away. Nothing else that is there is ever touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use flotilla::{Code, Error, Result, failpoint};
use rustix::fs::FlockOperation;

use super::extract::Progress;
use crate::backup::BackupLabel;
use crate::catalog::Backup;
use crate::tarball::Roots;

const MARKER: &str = ".flotilla-restore";
pub(super) const CONTROL: &str = "global/pg_control";

/// How a backup is restored.
#[derive(Clone, Default)]
pub struct RestoreOptions {
    /// The folder of each tablespace by its OID. All of the backup's must be named: the original's own
    /// are never guessed.
    pub tablespaces: BTreeMap<u32, PathBuf>,
    /// How many parts travel at once; the archive's own number when `None`.
    pub parallelism: Option<usize>,
    /// Is told how many bytes of how many are done.
    pub progress: Option<Progress>,
}

impl std::fmt::Debug for RestoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestoreOptions")
            .field("tablespaces", &self.tablespaces)
            .field("parallelism", &self.parallelism)
            .finish_non_exhaustive()
    }
}

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Files that were made.
    pub files: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Parts that were read.
    pub parts: u64,
    /// Their bytes as stored.
    pub stored_bytes: u64,
    /// Parts without sums beside them, which WAL-G writes: only their codec's checksum was compared.
    pub unsummed_parts: u64,
    /// What `backup_label` says: recovery begins there.
    pub label: BackupLabel,
}

/// Checks that the chain can be restored there, without touching anything.
pub fn check(chain: &[&Backup], into: &Path, options: &RestoreOptions) -> Result<()> {
    Destination::of(chain, into, options).map(drop)
}

/// Folders that may be filled.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) data: PathBuf,
    pub(super) tablespaces: BTreeMap<String, PathBuf>,
    owner: Option<(u32, u32)>,
}

/// The marks, locked against another restore.
#[derive(Debug)]
pub(super) struct Marked(#[expect(dead_code, reason = "open files hold the locks")] Vec<File>);

impl Destination {
    pub(super) fn of(chain: &[&Backup], into: &Path, options: &RestoreOptions) -> Result<Self> {
        let last = chain.last().ok_or_else(|| Error::internal("a chain without backups"))?;
        let data = absolute(into)?;
        let tablespaces = tablespaces(last, options)?;
        let mut all: Vec<&Path> = vec![&data];
        all.extend(tablespaces.values().map(PathBuf::as_path));
        for (at, path) in all.iter().enumerate() {
            if let Some(other) = all[..at].iter().find(|other| path.starts_with(other) || other.starts_with(path)) {
                let what = format!("{} and {} lie in one another", other.display(), path.display());
                return Err(Error::usage(what).hint("Give each tablespace a folder of its own, outside of all others."));
            }
            vacant(path)?;
        }
        room(&all, last)?;
        Ok(Self { owner: owner(&data)?, data, tablespaces })
    }

    fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.data).chain(self.tablespaces.values())
    }

    /// Makes the folders, clears away what an earlier restore left, and marks them.
    pub(super) fn prepare(&self, backup: &Backup) -> Result<Marked> {
        let mut marks = Vec::new();
        for folder in self.folders() {
            marks.push(self.mark(folder, backup).map_err(|e| {
                match e.kind() {
                    io::ErrorKind::WouldBlock => {
                        Error::new(Code::LockHeld, format!("another restore is filling {}", folder.display()))
                            .hint("Wait until it has ended, or name another folder.")
                    }
                    _ => Error::new(Code::Io, format!("could not prepare {}", folder.display()))
                        .hint("Nothing was restored. It must be a folder that this user may write.")
                        .source(e),
                }
            })?);
        }
        Ok(Marked(marks))
    }

    fn mark(&self, folder: &Path, backup: &Backup) -> io::Result<File> {
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => self.own(folder)?,
        }
        let path = folder.join(MARKER);
        let mut mark = File::options().create(true).append(true).mode(0o600).open(&path)?;
        rustix::fs::flock(&mark, FlockOperation::NonBlockingLockExclusive)?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name() == MARKER {
                continue;
            }
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        mark.set_len(0)?;
        // Of a tablespace's folder the mark says whose it is: the cluster may be whole, and this mark left.
        mark.write_all(backup.name.as_str().as_bytes())?;
        mark.write_all(b"\n")?;
        mark.write_all(self.data.as_os_str().as_bytes())?;
        mark.write_all(b"\n")?;
        self.own(&path)?;
        Ok(mark)
    }

    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        let Some((uid, gid)) = self.owner else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(uid), Some(gid))
    }

    pub(super) fn roots(&self) -> io::Result<Roots> {
        let roots = Roots::open(&self.data, &self.tablespaces)?;
        Ok(match self.owner {
            Some((uid, gid)) => roots.owned_by(uid, gid),
            None => roots,
        })
    }

    /// Links the tablespaces, makes everything durable, and only then puts `global/pg_control` there.
    pub(super) fn finish(&self, control: &[u8]) -> io::Result<()> {
        for (oid, folder) in &self.tablespaces {
            let link = self.data.join("pg_tblspc").join(oid);
            std::os::unix::fs::symlink(folder, &link)?;
            if let Some((uid, gid)) = self.owner {
                std::os::unix::fs::lchown(&link, Some(uid), Some(gid))?;
            }
        }
        failpoint::hit("fetch.linked");
        // One call for each file system instead of one for each file.
        for folder in self.folders() {
            rustix::fs::syncfs(File::open(folder)?)?;
        }
        failpoint::hit("fetch.synced");
        let path = self.data.join(CONTROL);
        let beside = path.with_extension("new");
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(control)?;
        file.sync_all()?;
        self.own(&beside)?;
        fs::rename(&beside, &path)?;
        File::open(self.data.join("global"))?.sync_all()?;
        failpoint::hit("fetch.control");
        for folder in self.folders() {
            fs::remove_file(folder.join(MARKER))?;
            File::open(folder)?.sync_all()?;
            failpoint::hit("fetch.unmarked");
        }
        Ok(())
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    let unusable =
        |e: io::Error| Error::usage(format!("{} can't be used", path.display())).hint("Name a folder.").source(e);
    let absolute = std::path::absolute(path).map_err(unusable)?;
    if absolute.exists() {
        return fs::canonicalize(&absolute).map_err(unusable);
    }
    let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else { return Ok(absolute) };
    let parent = fs::canonicalize(parent).map_err(|e| {
        Error::usage(format!("{} can't be made", path.display()))
            .hint("The folder in which it lies must be there.")
            .source(e)
    })?;
    Ok(parent.join(name))
}

/// The folder of each tablespace that the backup has.
fn tablespaces(backup: &Backup, options: &RestoreOptions) -> Result<BTreeMap<String, PathBuf>> {
    let spec = backup.sentinel.spec.clone().unwrap_or_default();
    let mut folders = BTreeMap::new();
    let mut missing = Vec::new();
    for (oid, location) in &spec.locations {
        let given = oid.parse().ok().and_then(|oid: u32| options.tablespaces.get(&oid));
        match given {
            Some(folder) => drop(folders.insert(oid.clone(), absolute(folder)?)),
            None => missing.push(format!("{oid} (which was at {location})")),
        }
    }
    if !missing.is_empty() {
        let what = format!("no folder is named for tablespace {}; nothing was touched", missing.join(", "));
        return Err(Error::usage(what).hint("Name one for each with --tablespace OID=DIR."));
    }
    if let Some(oid) = options.tablespaces.keys().find(|oid| !folders.contains_key(&oid.to_string())) {
        let what = format!("{} has no tablespace {oid}; nothing was touched", backup.name);
        return Err(Error::usage(what).hint("`walg-wrap ls` names the tablespaces of each backup."));
    }
    Ok(folders)
}

/// Refuses a folder that holds anything but what an interrupted restore has left.
fn vacant(folder: &Path) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => {
            return Err(Error::usage(format!("{} can't be read; nothing was touched", folder.display()))
                .hint("Name a folder that this user may write.")
                .source(e));
        }
    };
    if entries.count() == 0 {
        return Ok(());
    }
    let marked = marked(folder).map_err(|e| {
        Error::new(Code::Io, format!("could not look at {}", folder.display()))
            .hint("Look at what caused it.")
            .source(e)
    })?;
    if let Some(data) = &marked
        && [folder, data].iter().any(|data| data.join(CONTROL).exists())
    {
        let what = format!("{} is of a cluster that was restored whole; nothing was touched", folder.display());
        let hint = format!(
            "The restore was cut off when only its marks had to go: remove {} and start the server on {}, or name another folder.",
            folder.join(MARKER).display(),
            data.display()
        );
        return Err(Error::refused(what).hint(hint));
    }
    if marked.is_none() {
        return Err(Error::refused(format!("{} is not empty; nothing was touched", folder.display()))
            .hint("A restore never writes over what is there. Name a new or an empty folder."));
    }
    Ok(())
}

/// The data folder of the restore whose mark lies in this folder, where there is one.
fn marked(folder: &Path) -> io::Result<Option<PathBuf>> {
    match fs::read(folder.join(MARKER)) {
        Ok(mark) => {
            // What was cut off before it was written is of this folder alone.
            let data = mark.splitn(2, |byte| *byte == b'\n').nth(1).and_then(|data| data.strip_suffix(b"\n"));
            let data = data.map(|data| PathBuf::from(std::ffi::OsString::from_vec(data.to_vec())));
            Ok(Some(data.unwrap_or_else(|| folder.to_owned())))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Refuses when the disks can't hold the cluster, as large as it was. What an earlier restore has left
/// is cleared away first.
fn room(folders: &[&Path], backup: &Backup) -> Result<()> {
    let needed = u64::try_from(backup.sentinel.data_catalog_size).unwrap_or(0);
    let (mut free, mut seen) = (0_u64, BTreeSet::new());
    for folder in folders {
        let there = if folder.exists() { folder } else { folder.parent().unwrap_or(folder) };
        let stat = |e: io::Error| {
            Error::new(Code::Io, format!("could not look at {}", there.display())).hint("Is it mounted?").source(e)
        };
        if seen.insert(fs::metadata(there).map_err(stat)?.dev()) {
            let file_system = rustix::fs::statvfs(there).map_err(|e| stat(e.into()))?;
            free = free.saturating_add(file_system.f_bavail.saturating_mul(file_system.f_frsize));
        }
        if folder.join(MARKER).is_file() {
            free = free.saturating_add(occupied(folder));
        }
    }
    if free < needed {
        let what = format!("{} needs {needed} bytes, and {free} are free; nothing was touched", backup.name);
        return Err(Error::refused(what).hint("Make room, or restore to another disk."));
    }
    Ok(())
}

/// The room that is taken by what lies in a folder, as far as that can be seen.
fn occupied(folder: &Path) -> u64 {
    let files = walkdir::WalkDir::new(folder).into_iter().flatten();
    files.filter_map(|entry| Some(entry.metadata().ok()?.blocks() * 512)).sum()
}

/// As root, everything is given to the folder's owner: no server runs as root.
fn owner(data: &Path) -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let there = if data.exists() { data } else { data.parent().unwrap_or(data) };
    let metadata = fs::metadata(there).map_err(|e| {
        Error::new(Code::Io, format!("could not look at {}", there.display())).hint("Is it there?").source(e)
    })?;
    Ok((metadata.uid() != 0).then(|| (metadata.uid(), metadata.gid())))
}
