//! `metadata.json` (`ExtendedMetadataDto` of WAL-G): the backup in short, and whether it is permanent.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{DATE_FORMAT, Sentinel};
use crate::Corrupt;
use crate::wal::Lsn;

/// A backup in short. Permanence is read from here, and changed here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// When it began.
    pub start_time: DateTime<Utc>,
    /// When it ended.
    pub finish_time: DateTime<Utc>,
    /// The form of the times.
    pub date_fmt: String,
    /// The host that made it.
    pub hostname: String,
    /// The data directory.
    pub data_dir: String,
    /// `server_version_num`.
    pub pg_version: u32,
    /// Where it began.
    pub start_lsn: Lsn,
    /// Where it ended.
    pub finish_lsn: Lsn,
    /// Whether retention leaves it alone.
    pub is_permanent: bool,
    /// The cluster's system identifier.
    pub system_identifier: Option<u64>,
    /// Bytes of the parts before packing.
    #[serde(default)]
    pub uncompressed_size: i64,
    /// Bytes of the parts as stored.
    #[serde(default)]
    pub compressed_size: i64,
    /// What the operator wanted to be noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Value>,
    /// Keys that are not known here.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

impl Metadata {
    /// What the sentinel says, in short. `None` when the sentinel is of a version without times.
    pub fn of(sentinel: &Sentinel) -> Option<Self> {
        Some(Self {
            start_time: sentinel.start_time?,
            finish_time: sentinel.finish_time?,
            date_fmt: DATE_FORMAT.to_owned(),
            hostname: sentinel.hostname.clone(),
            data_dir: sentinel.data_dir.clone(),
            pg_version: sentinel.pg_version,
            start_lsn: sentinel.start_lsn,
            finish_lsn: sentinel.finish_lsn,
            is_permanent: sentinel.is_permanent,
            system_identifier: sentinel.system_identifier,
            uncompressed_size: sentinel.uncompressed_size,
            compressed_size: sentinel.compressed_size,
            user_data: sentinel.user_data.clone(),
            others: Map::new(),
        })
    }

    /// Whether it says of the backup what the sentinel says; only whether that is permanent may differ.
    pub fn agrees(&self, sentinel: &Sentinel) -> bool {
        Self::of(sentinel).is_some_and(|said| Self { is_permanent: self.is_permanent, ..said } == *self)
    }

    /// Reads the document.
    pub fn parse(bytes: &[u8]) -> Result<Self, Corrupt> {
        super::parse("metadata.json", bytes)
    }

    /// The document.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
