//! Unpacks the members of a part.

mod writing;

use std::collections::BTreeMap;
use std::io::{self, Read, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use flotilla::{Code, Error, failpoint};

use self::writing::{Writing, write_aside};
use super::plan::{Plan, UTILITY, Use};
use crate::Corrupt;
use crate::direct::BLOCK;
use crate::pages;
use crate::tarball::{Kind, Member, Roots, read_members};

/// The longest of the files that are kept back until the end: a map of tablespaces.
const LONGEST: u64 = 16 << 20;

/// What all parts of a restore share.
pub(super) struct Extraction {
    pub(super) plan: Plan,
    pub(super) roots: Roots,
    pub(super) place: String,
    /// The last backup's own files, by their member's name: they are written when all else is there.
    pub(super) kept: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(super) files: AtomicU64,
    pub(super) bytes: AtomicU64,
    /// Members of the backup at hand that were used.
    pub(super) used: AtomicU64,
    /// What of the contents has passed, needed or not.
    pub(super) passed: AtomicU64,
    pub(super) total: u64,
    pub(super) progress: Option<Progress>,
    /// Failures of this machine rather than the archive's.
    pub(super) failure: Mutex<Option<Error>>,
}

/// Is told how many bytes of how many are done.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Extraction {
    /// Takes a tar's members to where they belong.
    pub(super) fn part(&self, level: usize, is_last: bool, content: &mut dyn Read) -> io::Result<()> {
        write_aside(self, |writing| {
            let mut small = Vec::new();
            read_members(content, &mut |member, content| {
                let mut content = Watched { inner: content, extraction: self };
                if UTILITY.contains(&member.name.as_str()) {
                    return if is_last { self.keep(member, &mut content) } else { Ok(()) };
                }
                match (self.plan.of_member(level, &member.name), member.kind) {
                    (Use::Whole, Kind::Directory) => {
                        self.roots.directory(&member.name, member.mode).map_err(|e| self.local(&member.name, e))?;
                    }
                    (Use::Whole, Kind::File) => self.whole(member, &mut content, writing, &mut small)?,
                    // A folder that a later backup has, too.
                    (Use::Pages, Kind::Directory) | (Use::Nothing, _) => return Ok(()),
                    (Use::Pages, Kind::File) => self.pages(member, &mut content)?,
                }
                self.used.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })
        })
    }

    fn whole(
        &self,
        member: &Member,
        content: &mut dyn Read,
        writing: &mut Writing,
        small: &mut Vec<u8>,
    ) -> io::Result<()> {
        let mut file = self.roots.create(&member.name, member.mode).map_err(|e| self.local(&member.name, e))?;
        if member.size >= BLOCK as u64 {
            writing.file(file, &member.name, content)?;
        } else {
            // Written sooner than somebody else is told of it.
            small.clear();
            content.read_to_end(small)?;
            file.write_all(small).map_err(|e| self.local(&member.name, e))?;
            failpoint::hit("fetch.file");
            self.bytes.fetch_add(small.len() as u64, Ordering::Relaxed);
        }
        self.files.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn pages(&self, member: &Member, content: &mut dyn Read) -> io::Result<()> {
        let file = self.roots.open_file(&member.name).map_err(|e| self.local(&member.name, e))?;
        self.bytes.fetch_add(member.size, Ordering::Relaxed);
        pages::apply(content, &file).map_err(|e| match Corrupt::of(&e) {
            Some(corrupt) => Corrupt::new(format!("{:?}: {corrupt}", member.name)).into(),
            None if Corrupt::is_behind(&e) => e,
            None => self.local(&member.name, e),
        })
    }

    fn keep(&self, member: &Member, content: &mut dyn Read) -> io::Result<()> {
        if member.size > LONGEST {
            return Err(Corrupt::new(format!("{:?} is longer than 16 MiB", member.name)).into());
        }
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        match lock(&self.kept).insert(member.name.clone(), bytes) {
            None => Ok(()),
            Some(_) => Err(Corrupt::new(format!("{:?} is there twice", member.name)).into()),
        }
    }

    /// Remembers a failure to write here; the archive's own are told apart from it.
    pub(super) fn local(&self, name: &str, error: io::Error) -> io::Error {
        if Corrupt::of(&error).is_some() || error.get_ref().is_some() {
            return error;
        }
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let hint = if full {
            "The disk is full. What is there has no global/pg_control, so no server starts on it; the next run \
             clears it away and begins anew."
        } else if error.kind() == io::ErrorKind::NotFound {
            "The backup changes pages of a file that it doesn't have; `walg-wrap verify` tells more."
        } else {
            "What is there has no global/pg_control, so no server starts on it; the next run clears it away."
        };
        let message = format!("could not write \"{name}\" in {}", self.place);
        let found = Error::new(Code::Io, message).hint(hint).source(io::Error::from(error.kind()));
        lock(&self.failure).get_or_insert(found);
        io::Error::new(error.kind(), "this machine failed")
    }

    /// The failure of this machine, if there was one.
    pub(super) fn failure(&self) -> Option<Error> {
        lock(&self.failure).take()
    }

    /// One of the files that were kept back.
    pub(super) fn kept(&self, name: &str) -> Option<Vec<u8>> {
        lock(&self.kept).remove(name)
    }
}

/// A member's content, of which the progress is told.
struct Watched<'a> {
    inner: &'a mut dyn Read,
    extraction: &'a Extraction,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let extraction = self.extraction;
        let passed = extraction.passed.fetch_add(read as u64, Ordering::Relaxed) + read as u64;
        if let Some(progress) = &extraction.progress {
            progress(passed.min(extraction.total), extraction.total);
        }
        Ok(read)
    }
}
