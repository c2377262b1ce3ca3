//! The sentinel of a backup (`BackupSentinelDtoV2` of WAL-G): with it the backup exists.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::TablespaceSpec;
use crate::Corrupt;
use crate::names::BackupName;
use crate::wal::Lsn;

/// A sentinel. Its keys stand in WAL-G's order, and unknown ones are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sentinel {
    /// Where the backup began: its checkpoint's redo.
    #[serde(rename = "LSN")]
    pub start_lsn: Lsn,
    /// Where the parent began.
    #[serde(rename = "DeltaLSN", default, skip_serializing_if = "Option::is_none")]
    pub delta_lsn: Option<Lsn>,
    /// The parent.
    #[serde(rename = "DeltaFrom", default, skip_serializing_if = "Option::is_none")]
    pub delta_from: Option<String>,
    /// The full backup at the start of the chain.
    #[serde(rename = "DeltaFullName", default, skip_serializing_if = "Option::is_none")]
    pub delta_full_name: Option<String>,
    /// How many deltas there are from the full backup to here, this one counted.
    #[serde(rename = "DeltaCount", default, skip_serializing_if = "Option::is_none")]
    pub delta_count: Option<u32>,
    /// `server_version_num`.
    #[serde(rename = "PgVersion")]
    pub pg_version: u32,
    /// Where the backup ended: with the log up to here it is consistent.
    #[serde(rename = "FinishLSN")]
    pub finish_lsn: Lsn,
    /// The cluster's system identifier.
    #[serde(rename = "SystemIdentifier", default, skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<u64>,
    /// Bytes of the parts before packing.
    #[serde(rename = "UncompressedSize", default)]
    pub uncompressed_size: i64,
    /// Bytes of the parts as stored.
    #[serde(rename = "CompressedSize", default)]
    pub compressed_size: i64,
    /// Bytes of the data directory and tablespaces.
    #[serde(rename = "DataCatalogSize", default, skip_serializing_if = "is_zero")]
    pub data_catalog_size: i64,
    /// Where the tablespaces were; `null` without any, and left out by WAL-G 3.0.9.
    #[serde(rename = "Spec", default)]
    pub spec: Option<TablespaceSpec>,
    /// What the operator wanted to be noted.
    #[serde(rename = "UserData", default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Value>,
    /// Whether there is no `files_metadata.json`.
    #[serde(rename = "FilesMetadataDisabled", default, skip_serializing_if = "std::ops::Not::not")]
    pub files_metadata_disabled: bool,
    /// A checkpoint number of the storage engine `orioledb`.
    #[serde(rename = "ChkpNum", default)]
    pub checkpoint_number: Option<u32>,
    /// The shape of the document; 2.
    #[serde(rename = "Version", default)]
    pub version: u32,
    /// When the backup began.
    #[serde(rename = "StartTime", default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(rename = "FinishTime", default, skip_serializing_if = "Option::is_none")]
    pub finish_time: Option<DateTime<Utc>>,
    /// The form of the times.
    #[serde(rename = "DateFmt", default)]
    pub date_format: String,
    /// The host that made it.
    #[serde(rename = "Hostname", default)]
    pub hostname: String,
    /// The data directory.
    #[serde(rename = "DataDir", default)]
    pub data_dir: String,
    /// Whether retention leaves it alone, as it was when the backup was made; `metadata.json` rules.
    #[serde(rename = "IsPermanent", default)]
    pub is_permanent: bool,
    /// Keys that are not known here.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(size: &i64) -> bool {
    *size == 0
}

/// What a delta stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// The parent.
    pub parent: BackupName,
    /// The full backup at the start of the chain.
    pub full: BackupName,
    /// Where the parent began: pages changed since are in the delta.
    pub since: Lsn,
    /// How many deltas there are from the full backup on.
    pub count: u32,
}

impl Sentinel {
    /// Reads a sentinel. What it says of a delta is all there or not at all.
    pub fn parse(bytes: &[u8]) -> Result<Self, Corrupt> {
        let sentinel: Self = super::parse("sentinel", bytes)?;
        sentinel.delta()?;
        let wrong = |what: &str| Err(Corrupt::new(format!("sentinel: {what}")));
        if sentinel.start_lsn == Lsn::INVALID || sentinel.finish_lsn < sentinel.start_lsn {
            return wrong("the backup ends before it begins");
        }
        if sentinel.uncompressed_size < 0 || sentinel.compressed_size < 0 {
            return wrong("a size is negative");
        }
        Ok(sentinel)
    }

    /// The document.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What a delta stands on; `None` of a full backup.
    pub fn delta(&self) -> Result<Option<Delta>, Corrupt> {
        match (&self.delta_from, &self.delta_full_name, self.delta_lsn, self.delta_count) {
            (None, None, None, None) => Ok(None),
            (Some(parent), Some(full), Some(since), Some(count)) if count > 0 => {
                Ok(Some(Delta { parent: parent.parse()?, full: full.parse()?, since, count }))
            }
            _ => Err(Corrupt::new("sentinel: what a delta stands on is there in part only")),
        }
    }

    /// Whether `files_metadata.json` must be there.
    pub fn has_files_metadata(&self) -> bool {
        self.version >= 2 && !self.files_metadata_disabled
    }
}
