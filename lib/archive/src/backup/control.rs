//! `global/pg_control` (`pg_control.h`), of PostgreSQL 13 to 18.

use chrono::{DateTime, Utc};

use crate::Corrupt;
use crate::wal::{Lsn, Parameters, SegmentSize, Timeline};

/// What the server was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlState {
    /// `initdb` is making it.
    StartingUp,
    /// It was shut down.
    ShutDown,
    /// It was shut down while in recovery.
    ShutDownInRecovery,
    /// It is being shut down.
    ShuttingDown,
    /// It recovers from a crash.
    InCrashRecovery,
    /// It recovers from an archive, or is a standby.
    InArchiveRecovery,
    /// It is running.
    InProduction,
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The cluster's system identifier.
    pub system_identifier: u64,
    /// The version of the file.
    pub version: u32,
    /// The version of the catalogs.
    pub catalog_version: u32,
    /// What the server was doing.
    pub state: ControlState,
    /// When the file was written, in whole seconds.
    pub time: Option<DateTime<Utc>>,
    /// The last checkpoint.
    pub checkpoint: Lsn,
    /// Where recovery from it begins.
    pub redo: Lsn,
    /// The timeline of the checkpoint.
    pub timeline: Timeline,
    /// Recovery must reach this position.
    pub minimum_recovery: Lsn,
    /// The timeline of that position.
    pub minimum_recovery_timeline: Timeline,
    /// The size of the log's segments.
    pub segment_size: SegmentSize,
    /// 0 where pages have no checksums.
    pub checksum_version: u32,
    /// `wal_level`: 0 minimal, 1 replica, 2 logical.
    pub wal_level: u32,
    /// Settings that a server which replays this one's log must match.
    pub parameters: Parameters,
}

impl Control {
    /// Reads the file and compares its checksum.
    pub fn parse(bytes: &[u8]) -> Result<Self, Corrupt> {
        let wrong = |what: &str| Corrupt::new(format!("pg_control: {what}"));
        let fixed: &[u8; 512] = bytes.first_chunk().ok_or_else(|| wrong("it is cut off"))?;
        let word = |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let version = word(8);
        let checked = match version {
            1300 | 1700 => 288,
            1800 => 292,
            _ => return Err(wrong(&format!("its version {version} is not known"))),
        };
        if crate::digest::crc32c([&fixed[..checked]]) != word(checked) {
            return Err(wrong("its checksum is wrong"));
        }
        let state = match word(16) {
            0 => ControlState::StartingUp,
            1 => ControlState::ShutDown,
            2 => ControlState::ShutDownInRecovery,
            3 => ControlState::ShuttingDown,
            4 => ControlState::InCrashRecovery,
            5 => ControlState::InArchiveRecovery,
            6 => ControlState::InProduction,
            state => return Err(wrong(&format!("its state {state} is not known"))),
        };
        if (word(216), word(224)) != (8192, 8192) {
            return Err(wrong("its pages are not of 8192 bytes"));
        }
        Ok(Self {
            system_identifier: long(0),
            version,
            catalog_version: word(12),
            state,
            time: DateTime::from_timestamp(long(24).cast_signed(), 0),
            checkpoint: Lsn(long(32)),
            redo: Lsn(long(40)),
            timeline: Timeline(word(48)),
            minimum_recovery: Lsn(long(136)),
            minimum_recovery_timeline: Timeline(word(144)),
            segment_size: SegmentSize::new(u64::from(word(228)))?,
            checksum_version: word(252),
            wal_level: word(172),
            parameters: Parameters {
                max_connections: word(180).cast_signed(),
                max_worker_processes: word(184).cast_signed(),
                max_wal_senders: word(188).cast_signed(),
                max_prepared_transactions: word(192).cast_signed(),
                max_locks_per_transaction: word(196).cast_signed(),
                wal_level: word(172).cast_signed(),
                wal_log_hints: fixed[176] != 0,
                track_commit_timestamp: fixed[200] != 0,
            },
        })
    }
}
