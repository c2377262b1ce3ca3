//! What `walg-wrap verify` remembers: the objects that were sound when they were read.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, ErrorKind, Write as _};
use std::path::PathBuf;
use std::sync::PoisonError;

use flotilla::error::{Code, Error, Result};
use flotilla::journal;
use flotilla_archive::Archive;
use flotilla_archive::digest::Sum;
use flotilla_archive::verify::{Memory, Remembered};
use tempfile::NamedTempFile;

/// What was read is written down however the run ends: the next one goes on from there.
pub(crate) struct Kept {
    file: MemoryFile,
    memory: Memory,
    done: bool,
}

impl Kept {
    /// Writes it down at the latest when this is dropped.
    pub(crate) fn new(file: MemoryFile, memory: Memory) -> Self {
        Self { file, memory, done: false }
    }

    /// Writes it down now.
    pub(crate) fn write(&mut self) -> Result<()> {
        self.done = true;
        self.file.write(&self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.done
            && let Err(error) = self.write()
        {
            tracing::warn!("{error}");
        }
    }
}

/// The file that remembers what was read of an archive.
pub(crate) struct MemoryFile(PathBuf);

impl MemoryFile {
    /// The file of this archive.
    pub(crate) fn of(archive: &Archive) -> Result<Self> {
        let folder = journal::state_dir()?.join("verified");
        let name = Sum::of(archive.store().place().as_bytes()).to_string();
        Ok(Self(folder.join(format!("{}.jsonl", &name[..16]))))
    }

    fn failed(&self, doing: &str) -> impl FnOnce(std::io::Error) -> Error {
        let what = format!("could not {doing} {}", self.0.display());
        move |e| Error::new(Code::Io, what).hint("It holds what was read before; it may be deleted.").source(e)
    }

    /// What was read; nothing where nobody did.
    pub(crate) fn read(&self) -> Result<Remembered> {
        match File::open(&self.0) {
            Ok(file) => Remembered::read(BufReader::new(file)).map_err(self.failed("read")),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Remembered::default()),
            Err(e) => Err(self.failed("read")(e)),
        }
    }

    fn write(&self, remembered: &Remembered) -> Result<()> {
        let write = || {
            let folder = self.0.parent().unwrap_or(&self.0);
            fs::create_dir_all(folder)?;
            let mut file = NamedTempFile::new_in(folder)?;
            let mut sink = BufWriter::new(&mut file);
            remembered.write(&mut sink)?;
            sink.flush()?;
            drop(sink);
            file.persist(&self.0).map_err(|e| e.error)?;
            Ok(())
        };
        write().map_err(self.failed("write"))
    }
}
