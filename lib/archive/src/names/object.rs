//! Keys of objects, and what an object is by its key.

use super::{BackupName, OWN};
use crate::codec::Codec;
use crate::wal::{SegmentSize, WalFile};

/// The folder of base backups.
pub const BACKUPS: &str = "basebackups_005/";
/// The folder of the log.
pub const WAL: &str = "wal_005/";
/// The folder of catch-up backups.
pub const CATCHUP: &str = "catchup_005/";
/// The folder of a backup's parts, below its own.
pub const PARTS: &str = "/tar_partitions/";

const SENTINEL: &str = "_backup_stop_sentinel.json";

/// The key of a backup's sentinel, which is written last: without it there is no backup.
pub fn sentinel(backup: &BackupName) -> String {
    format!("{BACKUPS}{backup}{SENTINEL}")
}

/// The key of a backup's `metadata.json`.
pub fn metadata(backup: &BackupName) -> String {
    format!("{BACKUPS}{backup}/metadata.json")
}

/// The key of a backup's `files_metadata.json`.
pub fn files_metadata(backup: &BackupName) -> String {
    format!("{BACKUPS}{backup}/files_metadata.json")
}

/// The key of a part by its name, extension and all: `part_001.tar.lz4`.
pub fn part(backup: &BackupName, name: &str) -> String {
    format!("{BACKUPS}{backup}{PARTS}{name}")
}

/// The key of a file of the log.
pub fn wal(file: WalFile, codec: Codec) -> String {
    format!("{WAL}{}", codec.named(&file.to_string()))
}

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A backup's sentinel.
    Sentinel(BackupName),
    /// A backup's `metadata.json`.
    Metadata(BackupName),
    /// A backup's `files_metadata.json`.
    FilesMetadata(BackupName),
    /// A part of a backup.
    Part {
        /// The backup.
        backup: BackupName,
        /// The part's name, extension and all.
        name: String,
        /// How it is packed.
        codec: Codec,
    },
    /// A file of the log.
    Wal {
        /// The file.
        file: WalFile,
        /// How it is packed.
        codec: Codec,
    },
    /// WAL-G's map of the blocks that sixteen segments change, and its JSON beside a segment: read by
    /// nobody but WAL-G.
    WalExtra(String),
    /// One of ours.
    Own(String),
    /// Anything else.
    Unknown(String),
}

impl Object {
    /// What lies at this key, below the prefix of the archive.
    pub fn of(key: &str, size: SegmentSize) -> Self {
        let found = if let Some(rest) = key.strip_prefix(BACKUPS) {
            in_backups(rest)
        } else if let Some(rest) = key.strip_prefix(WAL) {
            in_wal(rest, size)
        } else if key.starts_with(OWN) {
            Some(Self::Own(key.to_owned()))
        } else {
            None
        };
        found.unwrap_or_else(|| Self::Unknown(key.to_owned()))
    }

    /// The backup that it is of.
    pub fn backup(&self) -> Option<&BackupName> {
        match self {
            Self::Sentinel(backup)
            | Self::Metadata(backup)
            | Self::FilesMetadata(backup)
            | Self::Part { backup, .. } => Some(backup),
            _ => None,
        }
    }
}

fn in_backups(rest: &str) -> Option<Object> {
    if let Some(name) = rest.strip_suffix(SENTINEL) {
        return name.parse().ok().map(Object::Sentinel);
    }
    let (backup, inner) = rest.split_once('/')?;
    let backup: BackupName = backup.parse().ok()?;
    match inner {
        "metadata.json" => Some(Object::Metadata(backup)),
        "files_metadata.json" => Some(Object::FilesMetadata(backup)),
        _ => {
            let name = inner.strip_prefix("tar_partitions/").filter(|name| !name.is_empty() && !name.contains('/'))?;
            let (stem, codec) = Codec::of_name(name);
            let whole = stem.strip_suffix(".tar").is_some();
            whole.then(|| Object::Part { backup, name: name.to_owned(), codec })
        }
    }
}

fn in_wal(rest: &str, size: SegmentSize) -> Option<Object> {
    let (stem, codec) = Codec::of_name(rest);
    if let Ok(file) = WalFile::parse(stem, size) {
        return Some(Object::Wal { file, codec });
    }
    let segment = stem.strip_suffix("_delta").or_else(|| stem.strip_suffix(".json"))?;
    WalFile::parse(segment, size).is_ok().then(|| Object::WalExtra(rest.to_owned()))
}
