//! What `walg-wrap verify` remembers: the objects that were sound when they were read.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, ErrorKind, Write as _};
use std::path::PathBuf;
use std::sync::PoisonError;

use flotilla::error::{Code, Error, Result};
use flotilla::journal;
use flotilla_archive::Archive;
use flotilla_archive::verify::{Memory, Remembered};
use tempfile::NamedTempFile;

/// What was read is written down however the run ends: the next one goes on from there.
pub(crate) struct Kept {
    file: MemoryFile,
    memory: Memory,
}

impl Kept {
    /// Writes it down when this is dropped.
    pub(crate) fn new(file: MemoryFile, memory: Memory) -> Self {
        Self { file, memory }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.file.write(&memory) {
            tracing::warn!("what was read is not remembered, and will be read again: {error}");
        }
    }
}

/// The file that remembers what was read of an archive. A machine where there can't be one reads everything
/// every time.
pub(crate) struct MemoryFile(PathBuf);

impl MemoryFile {
    /// The file of this archive.
    pub(crate) fn of(archive: &Archive) -> Self {
        // Two regions may have buckets of one name: the store's own name keeps them apart.
        let store = archive.store();
        Self(Remembered::file(&format!("{} {}", store.name(), store.place())))
    }

    fn path(&self) -> Result<PathBuf> {
        Ok(journal::state_dir()?.join(&self.0))
    }

    /// What was read; nothing where nobody did, or nobody could note it.
    pub(crate) fn read(&self) -> Remembered {
        let Ok(path) = self.path() else { return Remembered::default() };
        match File::open(&path).and_then(|file| Remembered::read(BufReader::new(file))) {
            Ok(remembered) => remembered,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    tracing::warn!("could not read {}, so everything is new: {error}", path.display());
                }
                Remembered::default()
            }
        }
    }

    fn write(&self, remembered: &Remembered) -> Result<()> {
        let path = self.path()?;
        let write = || {
            let folder = path.parent().unwrap_or(&path);
            fs::create_dir_all(folder)?;
            let mut file = NamedTempFile::new_in(folder)?;
            let mut sink = BufWriter::new(&mut file);
            remembered.write(&mut sink)?;
            sink.flush()?;
            drop(sink);
            file.persist(&path).map_err(|e| e.error)?;
            Ok(())
        };
        write()
            .map_err(|e: std::io::Error| Error::new(Code::Io, format!("could not write {}", path.display())).source(e))
    }
}
