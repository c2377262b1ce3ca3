//! Stores of archives: S3 and folders, behind one handle.
//!
//! A store holds objects under names such as `wal_005/000000010000000000000003.lz4`. What it says is
//! true: an object that was written is durable, one that is read to its end is whole, and "there is
//! none" is an answer, never a guess (see [`Class::Absent`]). What passes, such as an outage, a
//! throttle, or a body that breaks off, is tried again within the store's own [`Patience`].
//!
//! ```no_run
//! # async fn example(config: flotilla::config::Config) -> flotilla::Result<()> {
//! use flotilla_archive::store::{Over, Store};
//!
//! let shard = config.shard("s0")?;
//! let store = Store::open(config.archive.store(None)?).await?.below(shard.archive_path())?;
//! store.put("note.txt", "hello".into(), Over::Keep).await?;
//! let text = store.get("note.txt").await?.collect(1 << 20).await?;
//! # Ok(()) }
//! ```

mod body;
mod copy;
mod error;
mod folder;
mod key;
mod object;
mod patience;
mod preflight;
mod s3;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use flotilla::config::{ArchiveStore, StoreUrl};
use flotilla::failpoint;
use futures_util::future::BoxFuture;
use secrecy::SecretString;

pub use body::Body;
pub use error::{Class, Result, StoreError};
pub use object::{Entries, Entry, Listing, Meta, Over, Put, Source, Upload};
pub use patience::{Patience, hasty};
pub use preflight::{Preflight, Rights};

/// What comes later.
pub type Later<'a, T> = BoxFuture<'a, Result<T>>;

/// The name and the content of an object that tells of another.
pub type Note = Later<'static, (String, Bytes)>;

/// What requests to S3 are signed with, for another program.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The key's id.
    pub key_id: String,
    /// The key.
    pub secret: SecretString,
    /// What makes a temporary key good.
    pub token: Option<SecretString>,
}

/// What every kind of store does, with names below it.
trait Backend: Send + Sync {
    fn get(&self, key: String, range: Option<Range<u64>>) -> Later<'_, Body>;
    fn head(&self, key: String) -> Later<'_, Meta>;
    fn put(&self, key: String, content: Bytes, over: Over) -> Later<'_, Put>;
    fn upload(&self, key: String, source: Source, how: Upload) -> Later<'_, Put>;

    fn upload_noted(&self, key: String, source: Source, how: Upload, note: Note) -> Later<'_, Put> {
        Box::pin(async move {
            let put = self.upload(key, source, how).await?;
            if put != Put::Exists {
                failpoint::hit("store.written");
                let (name, text) = note.await?;
                self.put(name, text, Over::Replace).await?;
            }
            Ok(put)
        })
    }

    fn list(&self, base: &str, listing: Listing) -> Entries;
    fn delete(&self, keys: Vec<String>) -> Later<'_, ()>;
    fn credentials(&self) -> Later<'_, Option<Credentials>>;
    fn keeps_versions(&self) -> Later<'_, Option<bool>>;
}

/// A store, or what lies below a path in it. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    name: Arc<str>,
    place: Arc<str>,
    base: String,
}

impl Store {
    /// The store of the topology. Nothing is asked of it yet.
    pub async fn open(store: &ArchiveStore) -> flotilla::Result<Self> {
        let patience = Patience::of(store);
        let (backend, base): (Arc<dyn Backend>, _) = match &store.url {
            StoreUrl::S3 { bucket, path } => (Arc::new(s3::S3::open(store, bucket, patience).await?), path.clone()),
            StoreUrl::File(path) => (Arc::new(folder::Folder::open(path)?), String::new()),
        };
        Ok(Self { backend, name: store.name.as_str().into(), place: store.url.to_string().into(), base })
    }

    /// What lies below this path of it.
    pub fn below(&self, path: &str) -> Result<Self> {
        key::check(path)?;
        let place = format!("{}/{path}", self.place).into();
        Ok(Self { base: key::join(&self.base, path), place, ..self.clone() })
    }

    /// The name that the topology gives it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL.
    pub fn place(&self) -> &str {
        &self.place
    }

    fn full(&self, key: &str) -> Result<String> {
        key::check(key)?;
        let full = key::join(&self.base, key);
        key::check(&full)?;
        Ok(full)
    }

    /// The content of an object, from its beginning. A body that breaks off is taken up where it was,
    /// unless the object has changed since.
    pub async fn get(&self, key: &str) -> Result<Body> {
        Self::named(key, self.backend.get(self.full(key)?, None).await)
    }

    /// Some of the content: at least a byte, and none behind its end.
    pub async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Body> {
        if range.is_empty() {
            return Err(StoreError::new(Class::Other, format!("an empty range of \"{key}\"")));
        }
        Self::named(key, self.backend.get(self.full(key)?, Some(range)).await)
    }

    /// Gives what was read the name that it was asked for by.
    fn named(key: &str, body: Result<Body>) -> Result<Body> {
        body.map(|body| {
            let meta = Meta { key: key.to_owned(), ..body.meta().clone() };
            Body::new(meta, Box::pin(body))
        })
    }

    /// What the store says of an object.
    pub async fn head(&self, key: &str) -> Result<Meta> {
        let meta = self.backend.head(self.full(key)?).await?;
        Ok(Meta { key: key.to_owned(), ..meta })
    }

    /// Writes a small object in one go.
    pub async fn put(&self, key: &str, content: Bytes, over: Over) -> Result<Put> {
        self.backend.put(self.full(key)?, content, over).await
    }

    /// Writes an object of any size, of which only some parts are in memory at a time. The object
    /// appears when all of it is there, and not at all when the source or this call ends before.
    pub async fn upload(&self, key: &str, source: Source, how: Upload) -> Result<Put> {
        self.backend.upload(self.full(key)?, source, how).await
    }

    /// The same, and where it was written, a small object that tells of it: nobody sees the note before the object.
    /// The note is asked for when the source has ended. Both are durable when this ends. Its failpoint, between the
    /// two, is `store.written`.
    pub async fn upload_noted(&self, key: &str, source: Source, how: Upload, note: Note) -> Result<Put> {
        let base = self.clone();
        let note = Box::pin(async move {
            let (name, text) = note.await?;
            Ok((base.full(&name)?, text))
        });
        self.backend.upload_noted(self.full(key)?, source, how, note).await
    }

    /// The objects of a listing, in the order of their names, page by page.
    pub fn list(&self, listing: Listing) -> Entries {
        let checked = key::check_prefix(&listing.prefix)
            .and_then(|()| listing.after.as_deref().map_or(Ok(()), key::check_prefix));
        match checked {
            Ok(()) => self.backend.list(&self.base, listing),
            Err(error) => Box::pin(futures_util::stream::once(async { Err(error) })),
        }
    }

    /// What requests are signed with, as the chain of credentials says now; none of a folder.
    pub async fn credentials(&self) -> Result<Option<Credentials>> {
        self.backend.credentials().await
    }

    /// Whether an object that is deleted or written over is still there as an older version; none of a folder.
    pub async fn keeps_versions(&self) -> Result<Option<bool>> {
        self.backend.keeps_versions().await
    }

    /// Deletes objects; what isn't there is no failure.
    pub async fn delete(&self, keys: impl IntoIterator<Item = &str>) -> Result<()> {
        let keys: Vec<String> = keys.into_iter().map(|key| self.full(key)).collect::<Result<_>>()?;
        if keys.is_empty() { Ok(()) } else { self.backend.delete(keys).await }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({} at {})", self.name, self.place)
    }
}
