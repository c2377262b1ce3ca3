//! Writing and deleting files, so that a crash leaves all of an object or nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use crc_fast::{CrcAlgorithm, Digest};
use flotilla::failpoint;
use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use rustix::fs::{Advice, CWD, RenameFlags, fadvise, renameat_with};

use super::{Folder, WORKSHOP, blocking, whole};
use crate::store::{Class, Note, Over, Put, Result, Source, StoreError};

/// A file that becomes an object, or goes.
struct Making {
    path: PathBuf,
    file: File,
    placed: bool,
}

impl Drop for Making {
    fn drop(&mut self) {
        if !self.placed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Folder {
    pub(super) async fn write(&self, key: String, source: Source, over: Over) -> Result<Put> {
        let (making, put) = self.lay(&key, source).await?;
        let making = self.settle(&key, making).await?;
        let named = self.name(key, making, over).await?;
        self.sync_all(named.iter().flatten()).await?;
        Ok(if named.is_some() { put } else { Put::Exists })
    }

    /// Lets the disk write both at once, which it does in half the time. Nobody sees the note before the object; what
    /// a crash leaves of the two names are those that the file system has journalled, in their order.
    pub(super) async fn write_noted(&self, key: String, source: Source, over: Over, note: Note) -> Result<Put> {
        let (making, put) = self.lay(&key, source).await?;
        let noting = async {
            let (name, text) = note.await?;
            let (making, _) = self.lay(&name, whole(text)).await?;
            let making = self.settle(&name, making).await?;
            Ok((name, making))
        };
        let (making, (name, note)) = tokio::try_join!(self.settle(&key, making), noting)?;
        let Some(mut unsynced) = self.name(key, making, over).await? else { return Ok(Put::Exists) };
        failpoint::hit("store.written");
        unsynced.extend(self.name(name, note, Over::Replace).await?.into_iter().flatten());
        self.sync_all(&unsynced).await?;
        Ok(put)
    }

    /// A file in the workshop, and what its content comes to.
    async fn lay(&self, key: &str, mut source: Source) -> Result<(Making, Put)> {
        let (folder, named) = (self.clone(), key.to_owned());
        let mut making = blocking(move || folder.begin().map_err(|e| folder.failed("write", &named, e))).await?;
        let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
        let mut size = 0;
        while let Some(chunk) = source.next().await {
            let chunk = chunk.map_err(|source| {
                StoreError::new(Class::Other, format!("could not write \"{key}\": its source failed")).source(source)
            })?;
            digest.update(&chunk);
            let begins = size;
            size += chunk.len() as u64;
            let write = move |file: &mut File| {
                file.write_all(&chunk)?;
                // Linux begins to write what it is told isn't needed soon, while more is packed; a hint, so its
                // failure is none.
                let _ = fadvise(&*file, begins, NonZeroU64::new(chunk.len() as u64), Advice::DontNeed);
                Ok(())
            };
            making = self.making(key, making, write).await?;
        }
        Ok((making, Put::Written { size, crc64: digest.finalize() }))
    }

    /// Makes it durable.
    async fn settle(&self, key: &str, making: Making) -> Result<Making> {
        self.making(key, making, |file| file.sync_all()).await
    }

    /// Does something with the file that becomes this object.
    async fn making(
        &self,
        key: &str,
        mut making: Making,
        work: impl FnOnce(&mut File) -> io::Result<()> + Send + 'static,
    ) -> Result<Making> {
        let (folder, named) = (self.clone(), key.to_owned());
        blocking(move || match work(&mut making.file) {
            Ok(()) => Ok(making),
            Err(error) => Err(folder.failed("write", &named, error)),
        })
        .await
    }

    /// Makes it the object of this name; the folders whose names aren't durable yet, or nothing where there is an
    /// object that stays.
    async fn name(&self, key: String, making: Making, over: Over) -> Result<Option<Vec<PathBuf>>> {
        let folder = self.clone();
        blocking(move || {
            let path = folder.path(&key);
            folder.place(making, &path, over).map_err(|e| match e.kind() {
                // Not for lack of the object, but for what stands in its way.
                io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => StoreError::new(
                    Class::Other,
                    format!(
                        "could not write \"{key}\" in {}: a folder and an object can't share a name",
                        folder.root.display()
                    ),
                ),
                _ => folder.failed("write", &key, e),
            })
        })
        .await
    }

    /// Makes the names in these folders durable, all at once.
    async fn sync_all(&self, folders: impl IntoIterator<Item = &PathBuf>) -> Result<()> {
        let folders: BTreeSet<&PathBuf> = folders.into_iter().collect();
        let each = folders.into_iter().cloned().map(|path| {
            let folder = self.clone();
            blocking(move || {
                sync(&path).map_err(|source| {
                    let below = path.strip_prefix(&folder.root).unwrap_or(&path);
                    folder.failed("write", &below.to_string_lossy(), source)
                })
            })
        });
        try_join_all(each).await.map(drop)
    }

    /// A new file in the workshop.
    fn begin(&self) -> io::Result<Making> {
        let workshop = self.root.join(WORKSHOP);
        loop {
            // Letters that can't be a name of WAL's, which other programs look for everywhere.
            let name: String = (0..16).map(|_| char::from(b'g' + rand::random::<u8>() % 20)).collect();
            let path = workshop.join(name);
            match File::options().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Making { path, file, placed: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.root.is_dir() => {
                    match fs::create_dir(&workshop) {
                        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                        _ => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives it its name; the folders to be synced, or nothing when there is an object that stays.
    fn place(&self, mut making: Making, path: &Path, over: Over) -> io::Result<Option<Vec<PathBuf>>> {
        let parent = path.parent().unwrap_or(&self.root);
        loop {
            let made = self.folders(parent)?;
            let moved = match over {
                Over::Replace => fs::rename(&making.path, path),
                Over::Keep => move_without_replacing(&making.path, path),
            };
            match moved {
                Ok(()) => {
                    making.placed = true;
                    let above = made.iter().map(|folder| folder.parent().unwrap_or(&self.root));
                    return Ok(Some(std::iter::once(parent).chain(above).map(Path::to_owned).collect()));
                }
                Err(error) if over == Over::Keep && error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
                // Whoever deleted the last object of the folder took the folder, too.
                Err(error) if error.kind() == io::ErrorKind::NotFound && making.path.exists() && self.root.is_dir() => {
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes the folders down to this one; those that weren't there.
    fn folders(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut missing = Vec::new();
        let mut at = folder;
        while at != self.root && !at.is_dir() {
            missing.push(at.to_owned());
            at = at.parent().unwrap_or(&self.root);
        }
        for folder in missing.iter().rev() {
            match fs::create_dir(folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
                // Something else is in the way.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(io::ErrorKind::NotADirectory.into());
                }
                // Taken away meanwhile by whoever emptied it; the caller comes by again.
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                other => other?,
            }
        }
        Ok(missing)
    }

    pub(super) async fn remove(&self, keys: Vec<String>) -> Result<()> {
        let folder = self.clone();
        blocking(move || {
            for key in &keys {
                folder.unlink(&folder.path(key)).map_err(|e| folder.failed("delete", key, e))?;
            }
            Ok(())
        })
        .await
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if self.root.is_dir() && is_no_file(&error, path) => return Ok(()),
            Err(error) => return Err(error),
        }
        // S3 has no empty folders. One that isn't empty stays by itself.
        let mut parent = path.parent();
        while let Some(folder) = parent.filter(|folder| *folder != self.root) {
            if fs::remove_dir(folder).is_err() {
                return sync(folder);
            }
            parent = folder.parent();
        }
        sync(&self.root)
    }
}

fn is_no_file(error: &io::Error, path: &Path) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) || path.is_dir()
}

/// Renames, unless there is a file of that name.
fn move_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            // A file system without it, such as NFS: a second name is never given over another's head.
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        other => other.map_err(io::Error::from),
    }
}

/// Makes the names in a folder durable. One that somebody has removed needs none.
fn sync(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
