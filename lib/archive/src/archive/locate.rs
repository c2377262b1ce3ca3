//! Finding the object that holds a file of the WAL.

use flotilla::Result;
use futures_util::TryStreamExt as _;

use super::Archive;
use crate::codec::Codec;
use crate::names;
use crate::store::{Entry, Listing};
use crate::wal::WalFile;

impl Archive {
    /// The object with this file, however it is packed; none where it is proven that there is none.
    /// Mostly it is as we would pack it ourselves; a listing finds the others, and is the proof.
    pub async fn locate(&self, file: WalFile) -> Result<Option<(String, Codec)>> {
        let likely = names::wal(file, self.codec());
        match self.store().head(&likely).await {
            Ok(_) => return Ok(Some((likely, self.codec()))),
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(error.into()),
        }
        let plain = names::wal(file, Codec::None);
        let entries: Vec<Entry> = self.store().list(Listing::of(plain.as_str())).try_collect().await?;
        for codec in Codec::PROBED {
            let key = names::wal(file, codec);
            if entries.iter().any(|entry| entry.key() == key) {
                return Ok(Some((key, codec)));
            }
        }
        Ok(None)
    }
}
