//! The archive of one shard: a store, and how its objects are packed, encrypted and summed.
//!
//! Every object that is written has its sums beside it ([`crate::documents::Sidecar`]), which are
//! written after it: an object without them is one of WAL-G's, or one whose writer was killed in
//! between, and both are read all the same. What is read is compared with them.

mod locate;
mod pin;
mod read;
mod write;

pub use locate::{Located, pauses};
pub use pin::Pin;
pub use read::{Opened, Unpacked};
pub use write::{Form, Kept, Sealed};

use std::sync::Arc;

use flotilla::config::{ArchiveStore, Compression, Config, Shard};
use flotilla::target::Target;
use flotilla::{Error, Result};
use secrecy::ExposeSecret as _;

use crate::codec::Codec;
use crate::crypt::Key;
use crate::store::{Store, StoreError, hasty};

/// The archive of one shard in one store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Archive {
    store: Store,
    codec: Codec,
    key: Option<Arc<Key>>,
    parallelism: usize,
}

impl Archive {
    /// The archive of the shard in the store of this name, or in the first. Nothing is asked of it yet.
    pub async fn open(config: &Config, shard: &Shard, store: Option<&str>) -> Result<Self> {
        Self::of(config, shard, config.archive.store(store)?).await?.with_key(config)
    }

    /// The same for someone who passes objects on as they are stored: it takes no key, and opens nothing that
    /// is encrypted.
    pub async fn open_sealed(config: &Config, shard: &Shard, store: Option<&str>) -> Result<Self> {
        Self::of(config, shard, config.archive.store(store)?).await
    }

    /// The same for someone who asks again by himself and mustn't be held up; see [`hasty`].
    pub async fn open_hasty(config: &Config, shard: &Shard, store: Option<&str>) -> Result<Self> {
        Self::of(config, shard, &hasty(config.archive.store(store)?)).await?.with_key(config)
    }

    async fn of(config: &Config, shard: &Shard, store: &ArchiveStore) -> Result<Self> {
        let settings = &config.archive;
        let store = Store::open(store).await?.below(shard.archive_path())?;
        let codec = match settings.compression {
            Compression::Lz4 => Codec::Lz4,
            Compression::Zstd => Codec::Zstd,
        };
        Ok(Self { store, codec, key: None, parallelism: usize::from(settings.parallelism.max(1)) })
    }

    /// The same with the key, where anything is encrypted.
    fn with_key(self, config: &Config) -> Result<Self> {
        let settings = &config.archive;
        let key = match settings.read_key()? {
            None => None,
            Some(text) => {
                let key = Key::new(text.expose_secret(), settings.key_transform);
                let unusable = |e| {
                    Error::config("the key can't be used")
                        .source(e)
                        .hint("See archive.key_file and archive.key_transform in flotilla.toml(5).")
                };
                Some(Arc::new(key.map_err(unusable)?))
            }
        };
        Ok(Self { key, ..self })
    }

    /// The shard whose archive a target has: its own, or that of the shard that it belongs to.
    pub fn shard_of(target: &Target) -> Result<&Shard> {
        target.shard().ok_or_else(|| {
            let what = format!("\"{}\" is a {}, and only shards have archives", target.name, target.kind_name());
            Error::new(flotilla::Code::Unsupported, what).hint("Name a shard, or one of its nodes.")
        })
    }

    /// The store, below the shard's own prefix.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// How new objects are packed.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Whether objects are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.key.is_some()
    }

    /// The same archive for documents, which are neither packed nor encrypted.
    #[must_use]
    pub(crate) fn unsealed(&self) -> Self {
        Self { key: None, ..self.clone() }
    }

    /// How many objects travel at once.
    pub fn parallelism(&self) -> usize {
        self.parallelism
    }
}

/// The store's failure behind an error of a reader, if it was one.
pub fn store_error(error: &std::io::Error) -> Option<&StoreError> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// An error of reading or writing an object, with what it was about.
fn failed(key: &str, error: std::io::Error) -> Error {
    if store_error(&error).is_some() {
        let inner = error.into_inner().and_then(|inner| inner.downcast::<StoreError>().ok());
        return inner.map_or_else(|| Error::internal("a store's error was none"), |inner| Error::from(*inner));
    }
    let code = if crate::Corrupt::is_behind(&error) { flotilla::Code::Mismatch } else { flotilla::Code::Io };
    let hint = match code {
        flotilla::Code::Mismatch => {
            "The object is damaged, or was encrypted with another key; `walg-wrap verify` tells more."
        }
        _ => "Look at what caused it, then run it again.",
    };
    Error::new(code, format!("could not use \"{key}\": {error}")).hint(hint).source(error)
}
