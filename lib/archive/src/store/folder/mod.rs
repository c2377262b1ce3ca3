//! A folder, in the layout of WAL-G's file storage: objects are files below it.
//!
//! Written beside and renamed, so that no reader sees half an object; synced with their folders, so
//! that one that was written stays. What is half done lies in a folder of its own, hidden from
//! listings.

mod list;
mod write;

use std::fs::Metadata;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use flotilla::{Code, Error};
use futures_util::stream;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::{Backend, Body, Class, Entries, Later, Listing, Meta, Note, Over, Put, Result, Source, StoreError, Upload};

/// Where objects are made, below the store's folder.
const WORKSHOP: &str = ".flotilla-new";
/// As much as is read at once.
const CHUNK: usize = 256 << 10;

#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder must be there: a store that isn't mounted is no empty store.
    pub(super) fn open(root: &Path) -> flotilla::Result<Self> {
        let refused = |error: Error| Err(error.hint("Mount or make the folder first."));
        match std::fs::metadata(root) {
            Ok(meta) if meta.is_dir() => Ok(Self { root: root.to_owned() }),
            Ok(_) => refused(Error::config(format!("the store {} is no folder", root.display()))),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                refused(Error::new(Code::NotFound, format!("the store's folder {} is not there", root.display())))
            }
            Err(source) => refused(
                Error::config(format!("could not look at the store's folder {}", root.display())).source(source),
            ),
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// The failure of a file operation. "Not there" is said only of what lies in a store that is there.
    fn failed(&self, verb: &str, key: &str, source: io::Error) -> StoreError {
        let message = format!("could not {verb} \"{key}\" in {}", self.root.display());
        let class = match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
                if self.root.is_dir() =>
            {
                return StoreError::new(Class::Absent, format!("there is no \"{key}\" in {}", self.root.display()));
            }
            io::ErrorKind::NotFound => {
                return StoreError::new(Class::Other, message).hint("The store's folder is gone; is it mounted?");
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Class::Denied,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                return StoreError::new(Class::Other, message).hint("Free some space.").source(source);
            }
            // A network file system that has lost its server.
            io::ErrorKind::TimedOut | io::ErrorKind::StaleNetworkFileHandle => Class::Unreachable,
            _ => Class::Other,
        };
        StoreError::new(class, message).source(source)
    }

    async fn read(&self, key: String, range: Option<Range<u64>>) -> Result<Body> {
        let failed = |source| self.failed("read", &key, source);
        let mut file = tokio::fs::File::open(self.path(&key)).await.map_err(failed)?;
        let meta = described(&key, &file.metadata().await.map_err(failed)?).ok_or_else(|| self.no_file(&key))?;
        let rest = match range {
            None => 0..meta.size,
            Some(range) if range.start >= meta.size => {
                let why = format!("could not read \"{key}\" from byte {}: it has {}", range.start, meta.size);
                return Err(StoreError::new(Class::Other, why));
            }
            Some(range) => range.start..range.end.min(meta.size),
        };
        file.seek(io::SeekFrom::Start(rest.start)).await.map_err(failed)?;
        let folder = self.clone();
        let chunks = stream::try_unfold((file, rest), move |(mut file, mut rest)| {
            let (folder, key) = (folder.clone(), key.clone());
            async move {
                if rest.is_empty() {
                    return Ok(None);
                }
                let size = CHUNK.min(usize::try_from(rest.end - rest.start).unwrap_or(CHUNK));
                let mut chunk = BytesMut::with_capacity(size);
                let read = (&mut file).take(size as u64).read_buf(&mut chunk).await;
                match read.map_err(|source| folder.failed("read", &key, source))? {
                    0 => Err(StoreError::new(
                        Class::Corrupt,
                        format!("\"{key}\" in {} became shorter while it was read", folder.root.display()),
                    )),
                    read => {
                        rest.start += read as u64;
                        Ok(Some((chunk.freeze(), (file, rest))))
                    }
                }
            }
        });
        Ok(Body::new(meta, Box::pin(chunks)))
    }

    async fn look(&self, key: String) -> Result<Meta> {
        let meta = tokio::fs::metadata(self.path(&key)).await.map_err(|source| self.failed("look at", &key, source))?;
        described(&key, &meta).ok_or_else(|| self.no_file(&key))
    }

    /// A folder is no object.
    fn no_file(&self, key: &str) -> StoreError {
        StoreError::new(Class::Absent, format!("there is no \"{key}\" in {}", self.root.display()))
    }
}

/// A content that is there already, as one that comes.
fn whole(content: Bytes) -> Source {
    Box::pin(stream::once(async { Ok(content) }))
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|gone| Err(StoreError::new(Class::Other, "the store's work was cut off").source(gone)))
}

fn described(key: &str, meta: &Metadata) -> Option<Meta> {
    let modified = meta.modified().ok().map(chrono::DateTime::from).unwrap_or_default();
    let etag = format!("{:x}-{:x}-{:x}-{:x}", meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size());
    meta.is_file().then(|| Meta { key: key.to_owned(), size: meta.len(), modified, etag, crc64: None })
}

impl Backend for Folder {
    fn credentials(&self) -> Later<'_, Option<crate::store::Credentials>> {
        Box::pin(async { Ok(None) })
    }

    fn keeps_versions(&self) -> Later<'_, Option<bool>> {
        Box::pin(async { Ok(None) })
    }

    fn get(&self, key: String, range: Option<Range<u64>>) -> Later<'_, Body> {
        Box::pin(self.read(key, range))
    }

    fn head(&self, key: String) -> Later<'_, Meta> {
        Box::pin(self.look(key))
    }

    fn put(&self, key: String, content: Bytes, over: Over) -> Later<'_, Put> {
        Box::pin(self.write(key, whole(content), over))
    }

    fn upload_noted(&self, key: String, source: Source, how: Upload, note: Note) -> Later<'_, Put> {
        Box::pin(self.write_noted(key, source, how.over, note))
    }

    fn upload(&self, key: String, source: Source, how: Upload) -> Later<'_, Put> {
        Box::pin(self.write(key, source, how.over))
    }

    fn list(&self, base: &str, listing: Listing) -> Entries {
        list::entries(self.clone(), base, listing)
    }

    fn delete(&self, keys: Vec<String>) -> Later<'_, ()> {
        Box::pin(self.remove(keys))
    }
}
