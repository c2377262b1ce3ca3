//! Hands a dump's files to `pg_restore`: small ones as files, large ones through named pipes, straight from
//! the archive and only when it asks for them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flotilla::error::{Code, Error, Result};
use flotilla_archive::Archive;
use flotilla_archive::catalog::FinishedDump;
use flotilla_archive::documents::is_plain;
use flotilla_archive::tarball::{Kind, read_members};
use rustix::fs::{CWD, Mode, OFlags, fcntl_setfl, mkfifoat, open};
use tokio::task::JoinSet;

const TICK: Duration = Duration::from_millis(20);
/// How many pipes are looked at in a tick.
const LOOKS: usize = 500;

/// Unpacks the small files into the folder, and makes a pipe for each large one.
pub(super) async fn lay_out(archive: &Archive, dump: &FinishedDump, folder: &Path) -> Result<()> {
    for number in 1..=dump.dump.parts {
        let key = dump.name.part(number, dump.dump.packing());
        let folder = folder.to_owned();
        let read = archive.unpack(&key, dump.dump.packing(), move |content| {
            read_members(content, &mut |member, content| {
                if member.kind != Kind::File || !is_plain(&member.name) {
                    let what = format!("a member called {:?} is no file of pg_dump", member.name);
                    return Err(flotilla_archive::Corrupt::new(what).into());
                }
                let mut file = File::options().write(true).create_new(true).open(folder.join(&member.name))?;
                io::copy(content, &mut file).map(drop)
            })
        });
        read.await?;
    }
    for file in &dump.dump.large_files {
        let path = folder.join(file);
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).map_err(|e| unusable(&path, e.into()))?;
    }
    Ok(())
}

/// Large files that `pg_restore` hasn't asked for yet, and those that are on their way.
pub(super) struct Feed {
    archive: Archive,
    dump: FinishedDump,
    folder: PathBuf,
    waiting: BTreeSet<String>,
    flowing: JoinSet<Result<()>>,
    /// Pipes whose content turned out to be damaged. They stay open until `pg_restore` is ended, for it
    /// would take their end for the end of the rows.
    broken: Arc<Mutex<Vec<File>>>,
}

impl Feed {
    pub(super) fn new(archive: &Archive, dump: &FinishedDump, folder: &Path) -> Self {
        let waiting = dump.dump.large_files.iter().cloned().collect();
        let (archive, dump, folder) = (archive.clone(), dump.clone(), folder.to_owned());
        Self { archive, dump, folder, waiting, flowing: JoinSet::new(), broken: Arc::default() }
    }

    /// Looks who is asked for, for ever; returns with what went wrong.
    pub(super) async fn serve(&mut self) -> Error {
        let mut from = String::new();
        loop {
            // Beginning where the last look ended, so that many pipes take their turns.
            let mut look: Vec<String> = self.waiting.range(from.clone()..).take(LOOKS).cloned().collect();
            from = if look.len() == LOOKS { look.pop().unwrap_or_default() } else { String::new() };
            for file in look {
                match self.reader(&file) {
                    Ok(Some(pipe)) => self.flow(&file, pipe),
                    Ok(None) => {}
                    Err(error) => return error,
                }
            }
            while let Some(ended) = self.flowing.try_join_next() {
                if let Err(error) = ended.map_err(|e| Error::internal("feeding a pipe failed").source(e)).flatten() {
                    return error;
                }
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Waits for what is on its way; every file must have been asked for.
    pub(super) async fn finish(mut self) -> Result<()> {
        while let Some(ended) = self.flowing.join_next().await {
            ended.map_err(|e| Error::internal("feeding a pipe failed").source(e)).flatten()?;
        }
        match self.waiting.first() {
            None => Ok(()),
            Some(file) => Err(Error::new(Code::Mismatch, format!("pg_restore never asked for {file}"))
                .hint("The dump's list of contents doesn't fit its files. Take another dump.")),
        }
    }

    /// The pipe, once somebody reads from it.
    fn reader(&self, file: &str) -> Result<Option<File>> {
        let path = self.folder.join(file);
        match open(&path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
            Ok(pipe) => {
                fcntl_setfl(&pipe, OFlags::empty()).map_err(|e| unusable(&path, e.into()))?;
                Ok(Some(File::from(pipe)))
            }
            Err(rustix::io::Errno::NXIO) => Ok(None),
            Err(errno) => Err(unusable(&path, errno.into())),
        }
    }

    fn flow(&mut self, file: &str, mut pipe: File) {
        self.waiting.remove(file);
        let (archive, codec, broken) = (self.archive.clone(), self.dump.dump.packing(), Arc::clone(&self.broken));
        let key = self.dump.name.file(file, codec);
        self.flowing.spawn(async move {
            let read = archive.unpack(&key, codec, move |content| {
                let passed = io::copy(content, &mut pipe);
                if passed.is_err() {
                    broken.lock().unwrap_or_else(PoisonError::into_inner).push(pipe);
                }
                passed.map(drop)
            });
            read.await.map(drop)
        });
    }
}

pub(super) fn unusable(path: &Path, source: io::Error) -> Error {
    Error::new(Code::Io, format!("could not use {}", path.display())).hint("Is there room?").source(source)
}
