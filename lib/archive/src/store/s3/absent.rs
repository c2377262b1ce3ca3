//! Proving that there is no object.

use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::types::ChecksumMode;

use super::{S3, failure, moment, read};
use crate::store::{Class, Meta, Result, StoreError};

impl S3 {
    /// Looks at the listing for an object that is said to be missing. Only a store that may be listed,
    /// and doesn't list it, has proven that it isn't there.
    pub(super) async fn prove_absent(&self, key: &str) -> Result<StoreError> {
        let request = self.client.list_objects_v2().bucket(&*self.bucket).prefix(key).max_keys(1);
        let listed =
            request.send().await.map_err(|error| failure::of(&self.object("prove the absence of", key), error))?;
        // The shortest name with this beginning comes first: the name itself, if it is there.
        if listed.contents().first().and_then(|object| object.key()) == Some(key) {
            return Err(StoreError::new(
                Class::Busy,
                format!("could not {}: it is listed, and said to be missing", self.object("read", key)),
            ));
        }
        Ok(StoreError::new(Class::Absent, format!("there is no \"{key}\" in bucket \"{}\"", self.bucket)))
    }

    /// What the store says of an object.
    pub(super) async fn look(&self, key: String) -> Result<Meta> {
        let what = self.object("look at", &key);
        self.patience.run(&format!("could not {what}"), 0, |_| self.look_once(&what, &key)).await
    }

    async fn look_once(&self, what: &str, key: &str) -> Result<Meta> {
        let request = self.client.head_object().bucket(&*self.bucket).key(key).checksum_mode(ChecksumMode::Enabled);
        let head = match request.send().await {
            Ok(head) => head,
            // An answer to HEAD has no document: a missing bucket looks the same.
            Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => {
                return Err(self.prove_absent(key).await?);
            }
            Err(error) => return Err(failure::of(what, error)),
        };
        let size = head.content_length().and_then(|size| u64::try_from(size).ok());
        let size =
            size.ok_or_else(|| StoreError::new(Class::Corrupt, format!("could not {what}: the answer has no length")))?;
        Ok(Meta {
            key: key.to_owned(),
            size,
            modified: moment(head.last_modified()),
            etag: head.e_tag().unwrap_or_default().to_owned(),
            crc64: head.checksum_crc64_nvme().and_then(read),
        })
    }
}
