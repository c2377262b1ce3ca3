//! The folder that new files go to: all of them, or none, and never over another.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flotilla::error::{Code, Error, Result};
use flotilla::lock::FileLock;
use serde::{Deserialize, Serialize};

use super::staged::Staged;
use super::{FileKind, slug};
use flotilla::migrations::scripts::Set;

/// One file to be written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) kind: FileKind,
    pub(super) version: Option<String>,
    pub(super) description: String,
    #[serde(skip)]
    pub(super) text: String,
}

impl File {
    /// A script that runs whenever it has changed.
    pub(super) fn repeatable(description: &str) -> Result<Self> {
        let slug = slug(description)?;
        Ok(Self {
            name: format!("R__{slug}.sql"),
            kind: FileKind::Repeatable,
            version: None,
            description: slug.replace('_', " "),
            text: format!("-- {description}. Runs again whenever it has changed: CREATE OR REPLACE.\n"),
        })
    }
}

/// The folder, and all others that scripts are read from.
pub(super) struct Folder {
    path: PathBuf,
    others: Vec<PathBuf>,
    _lock: Option<FileLock>,
}

impl Folder {
    /// To say what would be written: nothing is made or locked.
    pub(super) fn to_look_at(dirs: &[PathBuf]) -> Self {
        let (first, others) =
            dirs.split_first().map_or((PathBuf::from("migrations"), &[][..]), |(f, o)| (f.clone(), o));
        Self { path: first, others: others.to_vec(), _lock: None }
    }

    /// To write: the folder is made if it isn't there, and nobody else numbers a version in it meanwhile.
    pub(super) fn to_write(dirs: &[PathBuf], wait: Duration) -> Result<Self> {
        let folder = Self::to_look_at(dirs);
        fs::create_dir_all(&folder.path)
            .map_err(|e| Error::new(Code::Io, format!("could not make {}", folder.path.display())).source(e))?;
        let lock = FileLock::of_folder(&folder.path, wait)?;
        Ok(Self { _lock: Some(lock), ..folder })
    }

    /// The folder's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The scripts that are there; the first folder may yet have to be made.
    pub(super) fn scripts(&self) -> Result<Set> {
        let first = self.path.exists().then(|| self.path.clone());
        let all: Vec<PathBuf> = first.into_iter().chain(self.others.iter().cloned()).collect();
        Set::read(&all)
    }

    /// Refuses what is there already.
    pub(super) fn check(&self, files: &[File]) -> Result<()> {
        match files.iter().map(|file| self.path.join(&file.name)).find(|path| path.symlink_metadata().is_ok()) {
            Some(path) => Err(there(&path)),
            None => Ok(()),
        }
    }

    /// What an interrupted run has left to be put in place.
    pub(super) fn left(&self) -> Result<Option<Staged>> {
        Staged::left_in(&self.path)
    }

    /// Writes all of them, or none.
    pub(super) fn write(&self, staged: &Staged) -> Result<()> {
        self.check(&staged.files)?;
        staged.write(&self.path)?;
        staged.place(&self.path)
    }
}

fn there(path: &Path) -> Error {
    Error::usage(format!("{} is there already; nothing was written", path.display()))
        .hint("Give the migration another description, or take the file away.")
}
