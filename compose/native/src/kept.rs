//! Folders of the cache that are made once and only copied afterwards.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use flotilla::{Code, Error, Result};

/// Makes a folder that isn't there yet: `make` makes one at the path that it is given, beside the folder's, and that is
/// renamed, so that a half-made one is never found. Several processes may come here at once: one makes it, the others
/// wait.
pub fn folder(folder: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let around = folder.parent().unwrap_or(folder);
    fs::create_dir_all(around).map_err(|source| failed(around, source))?;
    let lock = around.join("lock");
    let held = File::options().create(true).append(true).open(&lock).map_err(|source| failed(&lock, source))?;
    held.lock().map_err(|source| failed(&lock, source))?;
    if folder.is_dir() {
        return Ok(());
    }
    let mut half = folder.as_os_str().to_owned();
    half.push(".half");
    let half = PathBuf::from(half);
    if half.exists() {
        fs::remove_dir_all(&half).map_err(|source| failed(&half, source))?;
    }
    make(&half)?;
    fs::rename(&half, folder).map_err(|source| failed(folder, source))
}

/// Removes the folders beside this one whose names begin so, with which it was kept before.
pub fn remove_others(folder: &Path, prefix: &str) -> Result<()> {
    for entry in fs::read_dir(folder.parent().unwrap_or(folder)).into_iter().flatten().flatten() {
        let is_other = entry.path() != folder && entry.file_name().to_string_lossy().starts_with(prefix);
        if is_other && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            fs::remove_dir_all(entry.path()).map_err(|source| failed(&entry.path(), source))?;
        }
    }
    Ok(())
}

/// Copies a folder with owners, modes and times; where the file system can share blocks it does. What is zeros takes
/// no room, which is half of a new database server.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let output = Command::new("cp").args(["-a", "--reflink=auto", "--sparse=always"]).arg(from).arg(to).output();
    let output = output.map_err(|source| failed(to, source))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(to, std::io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())))
}

/// That something could not be made.
pub(crate) fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::new(Code::Io, format!("could not make {}", path.display())).source(source)
}
