//! File locks: one run of a changing tool per cluster and machine.
//!
//! The file is never unlinked: removing it would let two runs hold "the" lock on two inodes. A
//! lock is the kernel's, so it vanishes with its process, however that ends.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::env;
use crate::error::{Code, Error, Result};

/// How often a held lock is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// A held lock; dropping it lets go.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
    path: PathBuf,
}

impl FileLock {
    /// Takes the lock of `tool` on `scope`, waiting at most `wait`.
    pub fn take(tool: &str, scope: &str, wait: Duration) -> Result<Self> {
        let path = runtime_dir()?.join(format!("{tool}-{}.lock", file_name(scope)));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|e| io_error("could not open the lock file", &path, e))?;
        Self::wait(file, path, wait, || format!("another {tool} is at work on \"{scope}\""))
    }

    /// Takes a folder itself, for work that is about its files alone, waiting at most `wait`.
    pub fn of_folder(path: &Path, wait: Duration) -> Result<Self> {
        let file = File::open(path).map_err(|e| io_error("could not open the folder", path, e))?;
        Self::wait(file, path.to_owned(), wait, || format!("somebody else is at work in {}", path.display()))
    }

    fn wait(file: File, path: PathBuf, wait: Duration, held: impl Fn() -> String) -> Result<Self> {
        let until = Instant::now() + wait;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file, path }),
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::new(Code::LockHeld, held()).hint("Wait for it to end, or give --lock-wait 5m."));
                }
                Err(TryLockError::Error(e)) => return Err(io_error("could not lock", &path, e)),
            }
        }
    }

    /// The lock's file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The folder for locks: only this user may write it.
pub fn runtime_dir() -> Result<PathBuf> {
    let user = rustix::process::geteuid();
    let path = match env::path("XDG_RUNTIME_DIR") {
        Some(dir) => dir.join("flotilla"),
        None if user.is_root() => PathBuf::from("/run/flotilla"),
        None => std::env::temp_dir().join(format!("flotilla-{}", user.as_raw())),
    };
    match DirBuilder::new().mode(0o700).create(&path) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(io_error("could not make the runtime folder", &path, e)),
    }
    // In a shared /tmp somebody else may have made it first.
    let meta = path.symlink_metadata().map_err(|e| io_error("could not look at the runtime folder", &path, e))?;
    if !meta.is_dir() || meta.uid() != user.as_raw() || meta.mode() & 0o022 != 0 {
        return Err(Error::config(format!("the runtime folder {} is not this user's alone", path.display()))
            .hint("Set XDG_RUNTIME_DIR to a folder that only this user may write."));
    }
    Ok(path)
}

fn file_name(scope: &str) -> String {
    scope.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

fn io_error(what: &str, path: &Path, error: io::Error) -> Error {
    Error::new(Code::Io, format!("{what} {}", path.display())).source(error)
}
