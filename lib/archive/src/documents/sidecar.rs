//! The sums of an object, kept beside it: WAL-G itself keeps none.

use serde::{Deserialize, Serialize};

use crate::Corrupt;
use crate::digest::{Content, Passed, Sum};

/// What an object was when it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sidecar {
    /// The shape of this document; 1.
    pub version: u32,
    /// The object's key below the archive's prefix: a sidecar that was copied to another place is none.
    pub object: String,
    /// Its size as stored.
    pub bytes: u64,
    /// The sum of its bytes as stored.
    pub sha256: Sum,
    /// The size of its content, unpacked and decrypted.
    #[serde(default)]
    pub content_bytes: Option<u64>,
    /// The sum of its content, of a file of the WAL and of what isn't packed: two servers archive the same file,
    /// and packing and encrypting it again gives other bytes.
    #[serde(default)]
    pub content_sha256: Option<Sum>,
    /// The system identifier of the cluster that it is of, in decimal.
    #[serde(default)]
    pub system_identifier: Option<String>,
}

impl Sidecar {
    /// The document of an object.
    pub fn new(object: &str, stored: Passed, content: Option<Content>, system: Option<u64>) -> Self {
        Self {
            version: 1,
            object: object.to_owned(),
            bytes: stored.bytes,
            sha256: stored.sum,
            content_bytes: content.map(|content| content.bytes),
            content_sha256: content.and_then(|content| content.sum),
            system_identifier: system.map(|system| system.to_string()),
        }
    }

    /// Reads the document of an object with this key.
    pub fn parse(object: &str, bytes: &[u8]) -> Result<Self, Corrupt> {
        let what = format!("sums of {object:?}");
        let sidecar: Self = super::parse(&what, bytes)?;
        if sidecar.version != 1 {
            return Err(Corrupt::new(format!("{what}: version {} is not known", sidecar.version)));
        }
        if sidecar.object != object {
            return Err(Corrupt::new(format!("{what}: they are of {:?}", sidecar.object)));
        }
        Ok(sidecar)
    }

    /// The document.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Compares what was read of the object with what was written.
    pub fn compare(&self, stored: Passed) -> Result<(), Corrupt> {
        let Self { object, bytes, sha256, .. } = self;
        if stored.bytes != *bytes {
            return Err(Corrupt::new(format!("{object:?} has {} bytes, {bytes} were written", stored.bytes)));
        }
        if stored.sum != *sha256 {
            return Err(Corrupt::new(format!("{object:?} is not what was written: its SHA-256 is another")));
        }
        Ok(())
    }

    /// Whether other content of the same sum is the same; `None` where one of them isn't known.
    pub fn is_content(&self, content: Content) -> Option<bool> {
        let same = self.content_sha256? == content.sum?;
        Some(same && self.content_bytes.is_none_or(|bytes| bytes == content.bytes))
    }
}
