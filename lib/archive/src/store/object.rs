//! What is known of an object, and what is asked of a new one.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;

use super::error::Result;

/// What a store says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Its name below the store.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: DateTime<Utc>,
    /// Changes whenever the object does; where the store says nothing of the sort, empty.
    pub etag: String,
    /// CRC-64/NVME of its content, where the store keeps it; listings don't say it.
    pub crc64: Option<u64>,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An object.
    Object(Meta),
    /// What lies deeper, as a name that ends in `/`; only where it was asked not to go there.
    Folder(String),
}

impl Entry {
    /// The name of the object or folder.
    pub fn key(&self) -> &str {
        match self {
            Self::Object(meta) => &meta.key,
            Self::Folder(key) => key,
        }
    }
}

/// Which objects are listed. Names come in the order of their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// What their names begin with.
    pub prefix: String,
    /// Whether what lies behind the next `/` is left out, and its folder named instead.
    pub flat: bool,
    /// Only names after this one.
    pub after: Option<String>,
}

impl Listing {
    /// Everything whose name begins with this.
    pub fn of(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..Self::default() }
    }

    /// Names folders rather than going into them.
    #[must_use]
    pub fn flat(mut self) -> Self {
        self.flat = true;
        self
    }

    /// Begins after this name.
    #[must_use]
    pub fn after(mut self, key: impl Into<String>) -> Self {
        self.after = Some(key.into());
        self
    }
}

/// What becomes of an object of the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Over {
    /// It is replaced.
    #[default]
    Replace,
    /// It stays, and the outcome is [`Put::Exists`].
    Keep,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object is in the store, and durable.
    Written {
        /// Its size in bytes.
        size: u64,
        /// CRC-64/NVME of its content.
        crc64: u64,
    },
    /// There is one of this name already; it stays as it is.
    Exists,
}

/// How a large object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upload {
    /// What becomes of an object of the same name.
    pub over: Over,
    /// How many parts travel at once.
    pub parallelism: usize,
    /// The size of the first parts in bytes; later ones grow, so that an object may be large.
    pub part_bytes: usize,
    /// Whether an upload that is cut off keeps its parts, and takes up those of an earlier one whose
    /// content is the same. Otherwise nothing is left of it.
    pub resume: bool,
}

impl Default for Upload {
    fn default() -> Self {
        Self { over: Over::Replace, parallelism: 4, part_bytes: 8 << 20, resume: false }
    }
}

/// Bytes to be written, as they come.
pub type Source = BoxStream<'static, std::io::Result<Bytes>>;

/// Lines of a listing, as they come.
pub type Entries = BoxStream<'static, Result<Entry>>;
