//! The documents of a logical dump: what it is, which anybody may see, and what is in it, which is
//! packed and encrypted like the rows themselves.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Corrupt;
use crate::codec::Codec;
use crate::names::DumpName;

/// What a dump is. Without this document there is no dump.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Dump {
    /// The shape of this document; 1.
    pub version: u32,
    /// The shard.
    pub shard: String,
    /// The node that it was taken from.
    pub node: String,
    /// Whether that was a standby.
    pub from_standby: bool,
    /// The database.
    pub database: String,
    /// Its encoding.
    pub encoding: String,
    /// The cluster's system identifier, decimal.
    pub system_identifier: String,
    /// The timeline.
    pub timeline: u32,
    /// `server_version_num`.
    pub pg_version: u32,
    /// The version of `pg_dump`.
    pub pg_dump: String,
    /// The exported snapshot that all of it shows.
    pub snapshot: String,
    /// The WAL position when the snapshot was taken.
    pub lsn: String,
    /// The epoch of the shard's ownership, decimal; none without schema `flotilla`.
    pub epoch: Option<String>,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When everything of it was stored.
    pub finished: DateTime<Utc>,
    /// Whether retention leaves it alone.
    pub permanent: bool,
    /// What the operator wants to be noted.
    pub user_data: Option<Value>,
    /// The packing of its objects: `lz4` or `zst`.
    pub codec: String,
    /// Whether its objects are encrypted.
    pub encrypted: bool,
    /// The key's name, where it has one.
    pub key_id: Option<String>,
    /// Tables with rows of their own.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
    /// Large objects.
    pub large_objects: u64,
    /// Files of `pg_dump`.
    pub files: u64,
    /// Their size, in bytes.
    pub content_bytes: u64,
    /// The size of those that share parts: a restore unpacks them to disk.
    pub packed_bytes: u64,
    /// The size of all objects as stored, in bytes.
    pub stored_bytes: u64,
    /// How many parts hold the small files.
    pub parts: u32,
    /// The files that are objects of their own.
    pub large_files: Vec<String>,
}

/// What is in a dump.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Contents {
    /// Tables with rows of their own.
    pub tables: Vec<DumpedTable>,
    /// Roles that own something in it, or may do something with it.
    pub roles: Vec<String>,
    /// Extensions.
    pub extensions: Vec<String>,
    /// Schema `flotilla`, where it is there.
    pub flotilla: Option<DumpedFlotilla>,
}

/// A table with rows of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpedTable {
    /// Its OID where it was dumped, by which the list of contents names it.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Its rows.
    pub rows: u64,
}

/// Schema `flotilla`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpedFlotilla {
    /// The schema's OID where it was dumped.
    pub schema: u32,
    /// The OID of table `ownership`.
    pub ownership: u32,
    /// How many buckets the cluster has.
    pub buckets: u32,
    /// The epoch, decimal.
    pub epoch: String,
    /// The ranges of buckets that the shard owned, as `first-last`.
    pub owned: Vec<String>,
}

impl Dump {
    /// Reads the document.
    pub fn parse(bytes: &[u8]) -> Result<Self, Corrupt> {
        let dump: Self = super::parse("dump", bytes)?;
        if dump.version != 1 {
            return Err(Corrupt::new(format!("dump: its document is of version {}", dump.version)));
        }
        if let Some(name) = dump.large_files.iter().find(|name| !is_plain(name)) {
            return Err(Corrupt::new(format!("dump: {name:?} is no file of pg_dump")));
        }
        Ok(dump)
    }

    /// The keys of everything that it is made of but for its document, where it has this name.
    pub fn objects(&self, name: &DumpName) -> Vec<String> {
        let codec = self.packing();
        let files = self.large_files.iter().map(|file| name.file(file, codec));
        let parts = (1..=self.parts).map(|number| name.part(number, codec));
        files.chain(parts).chain([name.contents(codec)]).collect()
    }

    /// How its objects are packed.
    pub fn packing(&self) -> Codec {
        Codec::of_name(&format!("x.{}", self.codec)).1
    }

    /// The document.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Whether `pg_dump` may have called a file so; nothing else may become one.
pub fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 64
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'))
}
