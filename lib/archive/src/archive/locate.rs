//! Finding the object that holds a file of the WAL.
//!
//! A file may be there in several packings: where `archive.compression` was changed while it was archived, or
//! WAL-G packs another way. All have the same content, which `verify` sees to; the archive's own packing is
//! read first, everywhere.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use flotilla::Result;
use futures_util::TryStreamExt as _;

use super::Archive;
use crate::codec::Codec;
use crate::names;
use crate::store::{Body, Entry, Listing};
use crate::wal::WalFile;

/// An object that holds a file of the WAL.
#[derive(Debug)]
pub struct Located {
    /// Its key.
    pub key: String,
    /// How it is packed.
    pub codec: Codec,
    /// Its body, where it was found by asking for it.
    pub body: Option<Body>,
}

/// How long to wait between two looks whether a file of the WAL has been archived, without an end: a server takes a
/// tenth of a second where nothing is in its way, and after that it may take any time.
pub fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(10))
        .with_factor(1.5)
        .with_max_delay(Duration::from_millis(200))
        .without_max_times()
        .build()
}

impl Archive {
    /// The packings in the order in which they are looked for.
    pub(crate) fn looked_for(&self) -> impl Iterator<Item = Codec> {
        let own = self.codec();
        [own].into_iter().chain(Codec::PROBED.into_iter().filter(move |codec| *codec != own))
    }

    /// The object with this file that is read first; none where it is proven that there is none.
    pub async fn locate(&self, file: WalFile) -> Result<Option<Located>> {
        let likely = names::wal(file, self.codec());
        match self.store().head(&likely).await {
            Ok(_) => Ok(Some(Located { key: likely, codec: self.codec(), body: None })),
            Err(error) if error.is_absent() => Ok(self.packings(file).await?.into_iter().next()),
            Err(error) => Err(error.into()),
        }
    }

    /// The same with its body: mostly it is as we would pack it ourselves, and then this is one request.
    pub async fn locate_body(&self, file: WalFile) -> Result<Option<Located>> {
        let likely = names::wal(file, self.codec());
        match self.store().get(&likely).await {
            Ok(body) => Ok(Some(Located { key: likely, codec: self.codec(), body: Some(body) })),
            Err(error) if error.is_absent() => Ok(self.packings(file).await?.into_iter().next()),
            Err(error) => Err(error.into()),
        }
    }

    /// All objects with this file, by a listing, in the order in which they are read.
    pub async fn packings(&self, file: WalFile) -> Result<Vec<Located>> {
        let plain = names::wal(file, Codec::None);
        let entries: Vec<Entry> = self.store().list(Listing::of(plain.as_str())).try_collect().await?;
        let there = self.looked_for().map(|codec| Located { key: names::wal(file, codec), codec, body: None });
        Ok(there.filter(|located| entries.iter().any(|entry| entry.key() == located.key)).collect())
    }
}
