//! Writes `files_metadata.json` entry by entry.

use std::fmt;
use std::io::{self, Write};

use super::{Database, FileEntry};

/// Which of the document's three parts is being written, and whether it has an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Files,
    Parts,
    Databases,
}

/// Writes the document: all files first, then the members of each part, then databases.
pub struct FilesWriter<W> {
    sink: W,
    section: Section,
    entries: u64,
}

impl<W> fmt::Debug for FilesWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesWriter").field("section", &self.section).finish_non_exhaustive()
    }
}

impl<W: Write> FilesWriter<W> {
    /// Begins the document. The sink should have a buffer.
    pub fn new(mut sink: W) -> io::Result<Self> {
        sink.write_all(b"{\"Files\":{")?;
        Ok(Self { sink, section: Section::Files, entries: 0 })
    }

    /// A file by its member's name. WAL-G restores no member that isn't named here, folders too.
    pub fn file(&mut self, name: &str, entry: &FileEntry) -> io::Result<()> {
        self.enter(Section::Files)?;
        self.key(name)?;
        Ok(serde_json::to_writer(&mut self.sink, entry)?)
    }

    /// A part and its members.
    pub fn part(&mut self, part: &str, members: impl IntoIterator<Item = impl AsRef<str>>) -> io::Result<()> {
        self.enter(Section::Parts)?;
        self.key(part)?;
        self.sink.write_all(b"[")?;
        for (number, member) in members.into_iter().enumerate() {
            if number > 0 {
                self.sink.write_all(b",")?;
            }
            serde_json::to_writer(&mut self.sink, member.as_ref())?;
        }
        self.sink.write_all(b"]")
    }

    /// A database.
    pub fn database(&mut self, name: &str, database: &Database) -> io::Result<()> {
        self.enter(Section::Databases)?;
        self.key(name)?;
        Ok(serde_json::to_writer(&mut self.sink, database)?)
    }

    /// Ends the document and gives back what it was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.enter(Section::Databases)?;
        self.sink.write_all(b"}}")?;
        Ok(self.sink)
    }

    fn enter(&mut self, section: Section) -> io::Result<()> {
        if section < self.section {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the document's parts come in one order"));
        }
        while self.section < section {
            let (next, name) = match self.section {
                Section::Files => (Section::Parts, "TarFileSets"),
                Section::Parts | Section::Databases => (Section::Databases, "DatabasesByNames"),
            };
            write!(self.sink, "}},\"{name}\":{{")?;
            (self.section, self.entries) = (next, 0);
        }
        Ok(())
    }

    fn key(&mut self, name: &str) -> io::Result<()> {
        if self.entries > 0 {
            self.sink.write_all(b",")?;
        }
        self.entries += 1;
        serde_json::to_writer(&mut self.sink, name)?;
        self.sink.write_all(b":")
    }
}
