//! Copying objects, within a store and from one to another.

use super::{Class, Over, Put, Result, Store, StoreError, Upload};

impl Store {
    /// Copies an object, streamed: it is read, checked, and written with its checksum. What arrives is
    /// as long as the original, or nothing arrives.
    pub async fn copy(&self, key: &str, to: &Store, new_key: &str, how: Upload) -> Result<Put> {
        let body = self.get(key).await?;
        let original = body.meta().clone();
        let put = to.upload(new_key, body.into_source(), how).await?;
        match put {
            Put::Written { size, crc64 }
                if size != original.size || original.crc64.is_some_and(|known| known != crc64) =>
            {
                // Written by us a moment ago, and not what it should be.
                if how.over == Over::Keep {
                    to.delete([new_key]).await?;
                }
                Err(StoreError::new(Class::Corrupt, format!("the copy of \"{key}\" in {} differs from it", to.place())))
            }
            put => Ok(put),
        }
    }
}
