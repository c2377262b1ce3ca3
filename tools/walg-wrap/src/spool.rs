//! A private folder for what passes between PostgreSQL's programs and the archive. It goes when the run
//! ends; what a killed run has left goes with the next one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flotilla::error::{Code, Error, Result};
use rustix::fs::FlockOperation;
use tempfile::TempDir;

const PREFIX: &str = "flotilla-spool-";
const LOCK: &str = "lock";
/// A folder without a lock is just being made, or was left so long ago.
const MAKING: Duration = Duration::from_hours(1);

/// The folder, locked for as long as it is used.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: TempDir,
    _lock: File,
}

impl Spool {
    /// A new one below this folder, or where temporary files go.
    pub(crate) fn make(below: Option<&Path>) -> Result<Self> {
        let below = below.map_or_else(std::env::temp_dir, Path::to_owned);
        let failed = |e: io::Error| {
            Error::new(Code::Io, format!("could not make a folder in {}", below.display()))
                .hint("Name one that this user may write with --spool.")
                .source(e)
        };
        sweep(&below);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&below).map_err(failed)?;
        let lock = lock(folder.path(), true).map_err(failed)?;
        fs::create_dir(folder.path().join("dump")).map_err(failed)?;
        Ok(Self { folder, _lock: lock })
    }

    /// The private folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder in it that holds `pg_dump`'s files.
    pub(crate) fn dump(&self) -> PathBuf {
        self.folder.path().join("dump")
    }

    /// Refuses when so many bytes don't fit.
    pub(crate) fn room(&self, needed: u64) -> Result<()> {
        let stat = rustix::fs::statvfs(self.path()).map_err(|e| {
            Error::new(Code::Io, format!("could not look at {}", self.path().display())).source(io::Error::from(e))
        })?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < needed {
            let place = self.path().parent().unwrap_or(self.path()).display();
            return Err(Error::refused(format!("{needed} bytes are needed in {place}, and {free} are free"))
                .hint("Make room, or name another folder with --spool."));
        }
        Ok(())
    }
}

fn lock(folder: &Path, make: bool) -> io::Result<File> {
    let file = File::options().create(make).truncate(false).write(true).open(folder.join(LOCK))?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// Removes what nobody uses any more: it may hold rows.
fn sweep(below: &Path) {
    let entries = fs::read_dir(below).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let path = entry.path();
        let abandoned = match lock(&path, false) {
            Ok(_) => true,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
                age.is_some_and(|age| age > MAKING)
            }
            Err(_) => false,
        };
        if abandoned && let Err(error) = fs::remove_dir_all(&path) {
            tracing::warn!("{} is left of an earlier run and could not be removed: {error}", path.display());
        }
    }
}
