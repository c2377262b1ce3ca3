//! Older versions of objects.

use aws_sdk_s3::types::BucketVersioningStatus;

use super::{S3, failure};
use crate::store::Result;

impl S3 {
    /// Whether the bucket keeps what is deleted or written over.
    pub(super) async fn is_versioned(&self) -> Result<bool> {
        let what = format!("see whether bucket \"{}\" keeps versions", self.bucket);
        let attempt = |_| async {
            let asked = self.client.get_bucket_versioning().bucket(&*self.bucket).send().await;
            let found = asked.map_err(|error| failure::of(&what, error))?;
            Ok(found.status() == Some(&BucketVersioningStatus::Enabled))
        };
        self.patience.run(&format!("could not {what}"), 0, attempt).await
    }
}
