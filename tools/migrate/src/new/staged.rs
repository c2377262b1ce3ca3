//! A set of files on its way into a folder: all of it gets there, or none, wherever a run is killed.
//!
//! The files are written whole into a hidden folder, which then gets the name that makes them count. From
//! there on they are only moved, options before the script that they are for and older versions before newer
//! ones, so that whoever reads the folder meanwhile finds nothing that can't be applied. What an interrupted
//! run hasn't moved, the next one does.
//!
//! Failpoints: `migrate.new_written`, `migrate.new_staged`, `migrate.new_moved`.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use flotilla::error::{Code, Error, Result};
use flotilla::failpoint;
use serde::{Deserialize, Serialize};
use tempfile::TempPath;

use super::folder::File;

/// The hidden folder while it is written, when it counts, and what says what is in it.
const PART: &str = ".migrate-new.part";
const WHOLE: &str = ".migrate-new";
const LIST: &str = "files.json";

/// What was asked for, and the files that this came to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Staged {
    /// The request, to be known again.
    pub(super) request: String,
    /// The files, in the order in which they get their places.
    pub(super) files: Vec<File>,
}

impl Staged {
    /// What an interrupted run has left in a folder.
    pub(super) fn left_in(folder: &Path) -> Result<Option<Self>> {
        let list = folder.join(WHOLE).join(LIST);
        let read = match fs::read(&list) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.and_then(|text| Ok(serde_json::from_slice(&text)?)),
        };
        read.map(Some).map_err(|e| {
            Error::new(Code::Io, format!("could not read {}", list.display()))
                .hint("An interrupted run has left that folder; take what you need from it, then remove it.")
                .source(e)
        })
    }

    /// Writes the files, so that they count.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let written = || {
            let part = folder.join(PART);
            remove(&part)?;
            fs::create_dir(&part)?;
            for File { name, text, .. } in &self.files {
                create(&part.join(name), text.as_bytes())?;
            }
            create(&part.join(LIST), &serde_json::to_vec(self)?)?;
            failpoint::hit("migrate.new_written");
            fs::File::open(&part)?.sync_all()?;
            fs::rename(&part, folder.join(WHOLE))?;
            fs::File::open(folder)?.sync_all()
        };
        written().map_err(|e| {
            let _ = remove(&folder.join(PART));
            Error::new(Code::Io, format!("could not write to {}; nothing was left there", folder.display())).source(e)
        })?;
        failpoint::hit("migrate.new_staged");
        Ok(())
    }

    /// Gives each file its place that hasn't one yet, and never another's.
    pub(super) fn place(&self, folder: &Path) -> Result<()> {
        let whole = folder.join(WHOLE);
        for File { name, .. } in &self.files {
            let (from, to) = (whole.join(name), folder.join(name));
            if from.symlink_metadata().is_err() {
                continue;
            }
            let moved = TempPath::try_from_path(from).and_then(|from| {
                from.persist_noclobber(&to).map_err(|failed| {
                    // It stays where it is, for the next try.
                    let _ = failed.path.keep();
                    failed.error
                })
            });
            moved.map_err(|e| in_the_way(&to, &whole, e))?;
            failpoint::hit("migrate.new_moved");
        }
        let gone = remove(&whole).and_then(|()| fs::File::open(folder)?.sync_all());
        gone.map_err(|e| Error::new(Code::Io, format!("could not remove {}", whole.display())).source(e))
    }

    /// Where the files are or will be.
    pub(super) fn paths(&self, folder: &Path) -> Vec<PathBuf> {
        self.files.iter().map(|file| folder.join(&file.name)).collect()
    }
}

fn create(path: &Path, text: &[u8]) -> io::Result<()> {
    // As any editor would make it: the umask decides who may read.
    let mut file = fs::File::create_new(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn in_the_way(path: &Path, whole: &Path, source: io::Error) -> Error {
    if source.kind() == ErrorKind::AlreadyExists {
        return Error::usage(format!("{} is in the way of a new file of that name", path.display()))
            .hint(format!("Move it away and run this again, or remove {} to give the new files up.", whole.display()));
    }
    Error::new(Code::Io, format!("could not write {}", path.display()))
        .hint("Run this again: it goes on with the files that are left.")
        .source(source)
}
