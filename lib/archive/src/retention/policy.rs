//! What is to be kept, and why something is.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// What is to be kept; of several rules, each keeps what it keeps.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The newest full backups, with all that stand on them.
    pub full: Option<usize>,
    /// What it takes to restore any moment of so many days.
    pub days: Option<u32>,
    /// Restorable full backups that stay whatever else is said; at least one does.
    pub least: usize,
    /// The newest logical dumps.
    pub dumps: Option<usize>,
    /// Logical dumps of so many days.
    pub dump_days: Option<u32>,
    /// Backups without a sentinel, and dumps without a document, go when nothing was added to them for so long.
    pub garbage_after: Duration,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Why a backup or dump stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing says which of its kind are to be kept.
    Unruled,
    /// It is one of the newest.
    Count,
    /// The days that are to be kept begin with it or lie behind it.
    Window,
    /// It is one of the restorable ones that always stay.
    Least,
    /// It is what the next delta would stand on.
    Newest,
    /// It is permanent, or a permanent one stands on it.
    Permanent,
    /// A backup that is being made stands on it, or it is that backup.
    Underway,
    /// WAL-G made it, or what it stands on, and nobody has proven it yet.
    Unproven,
    /// It, or one that may stand on it, can't be understood.
    Unreadable,
    /// What it stands on is gone, and it is too young to be forgotten.
    Broken,
}

impl Reason {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unruled => "no_rule",
            Self::Count => "count",
            Self::Window => "window",
            Self::Least => "minimum_redundancy",
            Self::Newest => "newest",
            Self::Permanent => "permanent",
            Self::Underway => "underway",
            Self::Unproven => "unproven",
            Self::Unreadable => "unreadable",
            Self::Broken => "broken",
        }
    }
}
