//! Whose archive it is: the first write says so, and nobody else may write from then on.

use bytes::Bytes;
use flotilla::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use super::Archive;
use crate::store::{Over, Put};
use crate::wal::SegmentSize;

const KEY: &str = "flotilla/archive.json";

/// The cluster that an archive belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The shape of this document; 1.
    pub version: u32,
    /// The cluster's system identifier, decimal.
    pub system_identifier: String,
    /// PostgreSQL's major version.
    pub pg_major: u32,
    /// The size of a WAL segment in bytes.
    pub wal_segment_bytes: u64,
}

impl Pin {
    /// The pin of a cluster.
    pub fn new(system_identifier: u64, pg_major: u32, wal_segment_bytes: u64) -> Self {
        Self { version: 1, system_identifier: system_identifier.to_string(), pg_major, wal_segment_bytes }
    }
}

impl Archive {
    /// Whose archive it is; none where nothing was ever written by us.
    pub async fn pin(&self) -> Result<Option<Pin>> {
        match self.store().get(KEY).await {
            Ok(body) => {
                let bytes = body.collect(1 << 16).await?;
                let pin: Pin = serde_json::from_slice(&bytes).map_err(|e| {
                    Error::new(Code::Mismatch, format!("\"{KEY}\" can't be understood"))
                        .hint("It says whose archive this is. Find out who wrote it before anything else is written.")
                        .source(e)
                })?;
                Ok(Some(pin))
            }
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The size of the archive's segments.
    pub async fn segment_size(&self) -> Result<SegmentSize> {
        match self.pin().await? {
            Some(pin) => Ok(SegmentSize::new(pin.wal_segment_bytes)?),
            None => Ok(SegmentSize::DEFAULT),
        }
    }

    /// Refuses to go on unless the archive belongs to this cluster; takes it where it is nobody's.
    pub async fn claim(&self, pin: &Pin) -> Result<()> {
        if self.compare(self.pin().await?.as_ref(), pin)? {
            return Ok(());
        }
        let json = serde_json::to_vec(pin).map_err(|e| Error::internal("a pin is not JSON").source(e))?;
        match self.store().put(KEY, Bytes::from(json), Over::Keep).await? {
            Put::Written { .. } => Ok(()),
            // Somebody was faster.
            Put::Exists => self.compare(self.pin().await?.as_ref(), pin).map(drop),
        }
    }

    /// Whether it is the same; false where there is none.
    fn compare(&self, found: Option<&Pin>, pin: &Pin) -> Result<bool> {
        match found {
            None => Ok(false),
            Some(found) if found.system_identifier != pin.system_identifier => Err(Error::new(
                Code::WrongSystem,
                format!(
                    "the archive at {} belongs to system {}, and this is system {}",
                    self.store().place(),
                    found.system_identifier,
                    pin.system_identifier
                ),
            )
            .hint("Two clusters must never share an archive. Give this one a prefix of its own (archive_prefix).")),
            Some(found) if found != pin => Err(Error::new(
                Code::WrongSystem,
                format!(
                    "the archive at {} is of PostgreSQL {} with WAL segments of {} bytes, and this is {} with {}",
                    self.store().place(),
                    found.pg_major,
                    found.wal_segment_bytes,
                    pin.pg_major,
                    pin.wal_segment_bytes
                ),
            )
            .hint(
                "After an upgrade, begin a new archive under another prefix (archive_prefix), and keep the old one.",
            )),
            Some(_) => Ok(true),
        }
    }
}
