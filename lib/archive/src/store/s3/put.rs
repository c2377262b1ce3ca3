//! Writing small objects, and deleting.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;

use super::{S3, crc64, failure, written};
use crate::store::{Class, Over, Put, Result, StoreError};

/// As many names as one request takes.
const BATCH: usize = 1000;

impl S3 {
    pub(super) async fn write(&self, key: String, content: Bytes, over: Over) -> Result<Put> {
        let what = self.object("write", &key);
        let (size, crc64) = (content.len() as u64, crc64(&content));
        let put = Put::Written { size, crc64 };
        let attempt = |number: u32| {
            let (what, key, content) = (&what, &key, content.clone());
            async move {
                let mut request = self.client.put_object().bucket(&*self.bucket).key(key);
                request = request.checksum_crc64_nvme(written(crc64)).body(ByteStream::from(content));
                if over == Over::Keep {
                    request = request.if_none_match("*");
                }
                let request = request.customize();
                let request = if self.signs_content { request } else { request.disable_payload_signing() };
                match request.send().await {
                    Ok(_) => Ok(put),
                    Err(error) => match failure::of(what, error) {
                        // An earlier attempt may have succeeded, and only its answer been lost.
                        failure if failure.class() == Class::Changed && number > 1 => self.ours(key, put).await,
                        failure if failure.class() == Class::Changed => Ok(Put::Exists),
                        failure => Err(failure),
                    },
                }
            }
        };
        self.patience.run(&format!("could not {what}"), size, attempt).await
    }

    /// Whether what is there now is what was to be written.
    pub(super) async fn ours(&self, key: &str, put: Put) -> Result<Put> {
        let Put::Written { size, crc64 } = put else { return Ok(put) };
        let there = self.look(key.to_owned()).await?;
        Ok(if there.size == size && there.crc64 == Some(crc64) { put } else { Put::Exists })
    }

    pub(super) async fn remove(&self, keys: Vec<String>) -> Result<()> {
        for batch in keys.chunks(BATCH) {
            let what = match batch {
                [one] => self.object("delete", one),
                many => format!("delete {} objects in bucket \"{}\"", many.len(), self.bucket),
            };
            let attempt = |_| self.remove_once(&what, batch);
            self.patience.run(&format!("could not {what}"), 0, attempt).await?;
        }
        Ok(())
    }

    async fn remove_once(&self, what: &str, batch: &[String]) -> Result<()> {
        let invalid = |error| StoreError::new(Class::Other, format!("could not {what}")).source(error);
        let names: Result<Vec<ObjectIdentifier>, _> =
            batch.iter().map(|key| ObjectIdentifier::builder().key(key).build()).collect();
        let names = Delete::builder().set_objects(Some(names.map_err(invalid)?)).quiet(true).build();
        let request = self.client.delete_objects().bucket(&*self.bucket).delete(names.map_err(invalid)?);
        let done = request.send().await.map_err(|error| failure::of(what, error))?;
        // Each name has its own outcome; what passes goes first, for all of them are tried again.
        let failures: Vec<(Class, &str, &str)> = done
            .errors()
            .iter()
            .filter(|error| error.code() != Some("NoSuchKey"))
            .map(|error| {
                let code = error.code().unwrap_or_default();
                let class = match code {
                    "AccessDenied" => Class::Denied,
                    "InternalError" | "SlowDown" | "ServiceUnavailable" => Class::Busy,
                    _ => Class::Other,
                };
                (class, code, error.key().unwrap_or_default())
            })
            .collect();
        let worst = failures.iter().find(|(class, ..)| !class.is_transient()).or(failures.first());
        match worst {
            None => Ok(()),
            Some((class, code, key)) => {
                let why =
                    format!("could not {what}: the service says {code} of \"{key}\" and {} more", failures.len() - 1);
                Err(StoreError::new(*class, why))
            }
        }
    }
}
