//! PostgreSQL's table locks, and what a statement does while it holds one.

use schemars::JsonSchema;
use serde::Serialize;

/// How a relation is locked, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// `ACCESS SHARE`.
    AccessShare,
    /// `ROW SHARE`.
    RowShare,
    /// `ROW EXCLUSIVE`.
    RowExclusive,
    /// `SHARE UPDATE EXCLUSIVE`.
    ShareUpdateExclusive,
    /// `SHARE`.
    Share,
    /// `SHARE ROW EXCLUSIVE`.
    ShareRowExclusive,
    /// `EXCLUSIVE`.
    Exclusive,
    /// `ACCESS EXCLUSIVE`.
    AccessExclusive,
}

/// Who waits for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Blocks {
    /// Nobody but other changes of the schema.
    Nothing,
    /// Whoever writes.
    Writes,
    /// Whoever reads or writes.
    Reads,
}

impl Mode {
    /// Every mode, in the order in which LOCK TABLE numbers them from 1.
    pub(super) const ALL: [Self; 8] = [
        Self::AccessShare,
        Self::RowShare,
        Self::RowExclusive,
        Self::ShareUpdateExclusive,
        Self::Share,
        Self::ShareRowExclusive,
        Self::Exclusive,
        Self::AccessExclusive,
    ];

    /// Who waits for it.
    pub(super) fn blocks(self) -> Blocks {
        match self {
            Self::AccessExclusive => Blocks::Reads,
            Self::Share | Self::ShareRowExclusive | Self::Exclusive => Blocks::Writes,
            _ => Blocks::Nothing,
        }
    }
}

/// What is done to the relation meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Nothing that takes longer the larger it is.
    Instant,
    /// Every row is read.
    Scan,
    /// An index is built of every row.
    Index,
    /// Every row is written again, and every index built again.
    Rewrite,
}
