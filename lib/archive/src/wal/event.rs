//! What recovery to a target goes by: commits, restore points, checkpoints, switches of timelines.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Lsn, Record, Rmgr, Timeline, bytes};

/// A checkpoint's occasion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointKind {
    /// The server was shut down cleanly.
    Shutdown,
    /// While it was running.
    Online,
}

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The transaction: of a prepared one, not the one that ended it.
    pub xid: u32,
    /// When, by the server's clock.
    pub time: DateTime<Utc>,
    /// Its subtransactions.
    pub children: Vec<u32>,
    /// Whether it had been prepared.
    pub prepared: bool,
}

/// Settings that a standby must match, as they were from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// `max_connections`.
    pub max_connections: i32,
    /// `max_worker_processes`.
    pub max_worker_processes: i32,
    /// `max_wal_senders`.
    pub max_wal_senders: i32,
    /// `max_prepared_transactions`.
    pub max_prepared_transactions: i32,
    /// `max_locks_per_transaction`.
    pub max_locks_per_transaction: i32,
    /// `wal_level`: 0 minimal, 1 replica, 2 logical.
    pub wal_level: i32,
    /// `wal_log_hints`.
    pub wal_log_hints: bool,
    /// `track_commit_timestamp`.
    pub track_commit_timestamp: bool,
}

/// A record's meaning for recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A transaction committed.
    Commit(End),
    /// A transaction was rolled back.
    Abort(End),
    /// `pg_create_restore_point`.
    RestorePoint {
        /// Its name.
        name: String,
        /// When it was made.
        time: DateTime<Utc>,
    },
    /// A checkpoint.
    Checkpoint {
        /// On what occasion.
        kind: CheckpointKind,
        /// Where recovery from it begins.
        redo: Lsn,
        /// The timeline.
        timeline: Timeline,
        /// The timeline before, other than `timeline` when this begins one.
        previous: Timeline,
        /// The next transaction, with its epoch.
        next_xid: u64,
        /// When it began, in whole seconds.
        time: DateTime<Utc>,
    },
    /// Recovery ended, and a timeline began.
    EndOfRecovery {
        /// The new timeline.
        timeline: Timeline,
        /// The one that it leaves.
        previous: Timeline,
        /// When.
        time: DateTime<Utc>,
    },
    /// The end of a base backup: recovery from it is consistent from here on.
    BackupEnd {
        /// Where the backup began.
        start: Lsn,
    },
    /// The rest of the segment is unused.
    Switch,
    /// Settings changed with a restart.
    ParameterChange(Parameters),
    /// A record that a crash had cut off was given up; where it began.
    OverwroteContinuation {
        /// The beginning of what was given up.
        lost: Lsn,
    },
}

/// A time of PostgreSQL's, microseconds from 2000 on.
fn time(bytes: &[u8], at: usize) -> Option<DateTime<Utc>> {
    let epoch = DateTime::from_timestamp(946_684_800, 0)?;
    epoch.checked_add_signed(TimeDelta::microseconds(bytes::i64(bytes, at)?))
}

impl Event {
    /// The record's meaning; `None` of one that has none for recovery's targets, and `Err` of one whose
    /// inside is not as it must be.
    pub fn of(record: &Record<'_>) -> Result<Option<Self>, &'static str> {
        let read = match record.rmgr {
            Rmgr::XLOG => log,
            Rmgr::TRANSACTION => transaction,
            _ => return Ok(None),
        };
        let main = record.main().ok_or("the record's parts don't fit together")?;
        read(record, main).ok_or("the record is shorter than its kind")
    }
}

/// `Some(None)` of a record that is no event, `None` of one that is too short.
type Read = Option<Option<Event>>;

fn log(record: &Record<'_>, main: &[u8]) -> Read {
    let event = match record.info & 0xF0 {
        0x00 => checkpoint(CheckpointKind::Shutdown, main)?,
        0x10 => checkpoint(CheckpointKind::Online, main)?,
        0x40 => Event::Switch,
        0x50 => Event::BackupEnd { start: Lsn(bytes::u64(main, 0)?) },
        0x60 => Event::ParameterChange(parameters(main)?),
        0x70 => {
            let name: [u8; 64] = bytes::array(main, 8)?;
            let length = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            Event::RestorePoint { name: String::from_utf8_lossy(&name[..length]).into_owned(), time: time(main, 0)? }
        }
        0x90 => Event::EndOfRecovery {
            time: time(main, 0)?,
            timeline: Timeline(bytes::u32(main, 8)?),
            previous: Timeline(bytes::u32(main, 12)?),
        },
        0xD0 => Event::OverwroteContinuation { lost: Lsn(bytes::u64(main, 0)?) },
        _ => return Some(None),
    };
    Some(Some(event))
}

fn checkpoint(kind: CheckpointKind, main: &[u8]) -> Option<Event> {
    Some(Event::Checkpoint {
        kind,
        redo: Lsn(bytes::u64(main, 0)?),
        timeline: Timeline(bytes::u32(main, 8)?),
        previous: Timeline(bytes::u32(main, 12)?),
        next_xid: bytes::u64(main, 24)?,
        time: DateTime::from_timestamp(bytes::i64(main, 64)?, 0)?,
    })
}

fn parameters(main: &[u8]) -> Option<Parameters> {
    let number = |at: usize| bytes::array(main, 4 * at).map(i32::from_le_bytes);
    Some(Parameters {
        max_connections: number(0)?,
        max_worker_processes: number(1)?,
        max_wal_senders: number(2)?,
        max_prepared_transactions: number(3)?,
        max_locks_per_transaction: number(4)?,
        wal_level: number(5)?,
        wal_log_hints: *main.get(24)? != 0,
        track_commit_timestamp: *main.get(25)? != 0,
    })
}

fn transaction(record: &Record<'_>, main: &[u8]) -> Read {
    let (commit, prepared) = match record.info & 0x70 {
        0x00 => (true, false),
        0x20 => (false, false),
        0x30 => (true, true),
        0x40 => (false, true),
        _ => return Some(None),
    };
    let end = end(record, main, commit, prepared)?;
    Some(Some(if commit { Event::Commit(end) } else { Event::Abort(end) }))
}

/// `xl_xact_commit` and `xl_xact_abort` with what follows them (`xact.h`).
fn end(record: &Record<'_>, main: &[u8], commit: bool, prepared: bool) -> Option<End> {
    const DATABASE: u32 = 1;
    const CHILDREN: u32 = 1 << 1;
    const FILES: u32 = 1 << 2;
    const MESSAGES: u32 = 1 << 3;
    const TWO_PHASE: u32 = 1 << 4;
    const STATISTICS: u32 = 1 << 8;
    let time = time(main, 0)?;
    let mut at = 8;
    let word = |at: &mut usize| {
        let word = bytes::u32(main, *at)?;
        *at += 4;
        Some(word)
    };
    let has = if record.info & 0x80 == 0 { 0 } else { word(&mut at)? };
    if has & DATABASE != 0 {
        at += 8;
    }
    let mut children = Vec::new();
    if has & CHILDREN != 0 {
        for _ in 0..word(&mut at)? {
            children.push(word(&mut at)?);
        }
    }
    // PostgreSQL 18 made the object's number 64 bits wide.
    let statistic = if record.magic.major()? >= 18 { 16 } else { 12 };
    for (flag, size) in [(FILES, 12), (STATISTICS, statistic), (MESSAGES, 16)] {
        if has & flag != 0 && (commit || flag != MESSAGES) {
            let count = word(&mut at)? as usize;
            at = at.checked_add(count.checked_mul(size)?)?;
        }
    }
    let xid = if has & TWO_PHASE == 0 { record.xid } else { word(&mut at)? };
    (at <= main.len()).then_some(End { xid, time, children, prepared })
}
