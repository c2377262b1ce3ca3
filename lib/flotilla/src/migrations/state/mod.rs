//! State: what has become of each migration in one database, by Flyway's rules.
//!
//! Scripts and history rows are matched as Flyway matches them: versioned ones by version and kind,
//! repeatable ones by description. Source: Flyway's behaviour, `MigrationInfoServiceImpl` and
//! `MigrationState`; held to the real tool by the suite `flyway`.

mod applied;
mod pending;
mod resolve;
#[cfg(test)]
mod tests;
mod validate;

use crate::error::Result;
use schemars::JsonSchema;
use serde::Serialize;
use strum::IntoStaticStr;

use crate::migrations::schema_history::Row;
use crate::migrations::scripts::{Placeholders, Script, Set, Version, checksum};

pub use self::resolve::resolve;
pub use self::validate::{Finding, FindingCode, IgnorePattern, validate};

/// What has become of a migration. The names are Flyway's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// It would be applied.
    Pending,
    /// It is newer than the target of this run.
    AboveTarget,
    /// It is older than the baseline, so it counts as done.
    BelowBaseline,
    /// It is a baseline script that the history doesn't need, or a version that it stands for.
    BaselineIgnored,
    /// It is the baseline.
    Baseline,
    /// It is older than the latest applied and out of order isn't allowed.
    Ignored,
    /// It was applied; its script is gone.
    Missing,
    /// It failed; its script is gone.
    MissingFailed,
    /// It was applied.
    Success,
    /// Flyway's paid edition took it back.
    Undone,
    /// It failed.
    Failed,
    /// It was applied after a newer one.
    OutOfOrder,
    /// It was applied and is newer than every script here.
    Future,
    /// It failed and is newer than every script here.
    FutureFailed,
    /// It is repeatable, was applied and has changed since.
    Outdated,
    /// It is repeatable and was applied again later.
    Superseded,
    /// It was taken back, or its script was declared gone.
    Deleted,
}

impl State {
    /// The word for it.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether it failed.
    pub fn is_failed(self) -> bool {
        matches!(self, Self::Failed | Self::MissingFailed | Self::FutureFailed)
    }

    /// Whether what it did is in the database.
    pub fn is_in_force(self) -> bool {
        matches!(
            self,
            Self::Success | Self::OutOfOrder | Self::Baseline | Self::Missing | Self::Future | Self::Outdated
        )
    }
}

/// A script with its checksums under the placeholders of one database.
#[derive(Clone, Debug)]
pub struct Resolved<'a> {
    /// The script.
    pub script: &'a Script,
    /// The checksum that the history gets: of a repeatable script's text with placeholders replaced,
    /// of another's text as it stands.
    pub checksum: i32,
}

impl<'a> Resolved<'a> {
    /// The script under these placeholders.
    pub fn new(script: &'a Script, placeholders: &Placeholders) -> Result<Self> {
        let is_repeatable = script.version().is_none();
        let checksum = if is_repeatable && placeholders.occur_in(&script.text) {
            checksum::checksum(&script.sql(placeholders)?)
        } else {
            script.checksum
        };
        Ok(Self { script, checksum })
    }

    /// Whether a row's checksum is this script's; of a repeatable one the text as it stands will do.
    pub fn matches(&self, checksum: Option<i32>) -> bool {
        checksum == Some(self.checksum) || (self.script.version().is_none() && checksum == Some(self.script.checksum))
    }

    /// Its version.
    pub fn version(&self) -> Option<&'a Version> {
        self.script.version()
    }
}

/// The scripts of a run under the placeholders of one database.
#[derive(Clone, Debug)]
pub struct Scripts<'a> {
    /// Versioned and baseline scripts.
    pub versioned: Vec<Resolved<'a>>,
    /// Repeatable scripts, by description.
    pub repeatable: Vec<Resolved<'a>>,
}

impl<'a> Scripts<'a> {
    /// The scripts of a set.
    pub fn new(set: &'a Set, placeholders: &Placeholders) -> Result<Self> {
        let resolve = |script| Resolved::new(script, placeholders);
        Ok(Self {
            versioned: set.versioned.values().chain(set.baselines.values()).map(resolve).collect::<Result<_>>()?,
            repeatable: set.repeatable.values().map(resolve).collect::<Result<_>>()?,
        })
    }
}

/// How far a run goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Goal {
    /// To the newest script.
    #[default]
    Latest,
    /// No further than the history is.
    Current,
    /// One pending migration.
    Next,
    /// To this version, which must exist unless the flag says otherwise.
    Version(Version, bool),
}

/// What decides about pending migrations.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// How far to go.
    pub goal: Goal,
    /// Whether older ones than the latest applied may still be applied.
    pub out_of_order: bool,
}

/// A migration: its script, its row, or both.
#[derive(Clone, Debug)]
pub struct Migration<'a> {
    /// Its script; none when it is gone.
    pub script: Option<Resolved<'a>>,
    /// Its row; none when it was never applied, or no longer is.
    pub row: Option<&'a Row>,
    /// What has become of it.
    pub state: State,
}

impl Migration<'_> {
    /// Its version, as the history or else the file spells it.
    pub fn version(&self) -> Option<&Version> {
        match self.row {
            Some(row) => row.version.as_ref(),
            None => self.script.as_ref().and_then(Resolved::version),
        }
    }

    /// What it says it does.
    pub fn description(&self) -> &str {
        match (self.row, &self.script) {
            (Some(row), _) => &row.description,
            (None, Some(resolved)) => &resolved.script.description,
            (None, None) => "",
        }
    }

    /// The script's path below its location.
    pub fn script_name(&self) -> &str {
        match (self.row, &self.script) {
            (Some(row), _) => &row.script,
            (None, Some(resolved)) => &resolved.script.script,
            (None, None) => "",
        }
    }

    /// Whether its script isn't what was applied. Flyway's `info` doesn't say.
    pub fn has_drifted(&self) -> bool {
        match (self.row, &self.script) {
            (Some(row), Some(script)) => {
                matches!(self.state, State::Success | State::OutOfOrder | State::Failed)
                    && row.checksum.is_some()
                    && !script.matches(row.checksum)
            }
            _ => false,
        }
    }
}

/// All migrations of one database.
#[derive(Clone, Debug)]
pub struct Migrations<'a> {
    /// In Flyway's order: below the baseline, applied by rank, pending by version, repeatable last.
    pub all: Vec<Migration<'a>>,
    /// The version of the baseline, if there is one.
    pub baseline: Option<Version>,
}

impl Migrations<'_> {
    /// What would be applied, in order.
    pub fn pending(&self) -> impl Iterator<Item = &Migration<'_>> {
        self.all.iter().filter(|migration| migration.state == State::Pending)
    }

    /// The highest version in force.
    pub fn current(&self) -> Option<&Version> {
        let in_force = self.all.iter().filter(|migration| {
            migration.state.is_in_force()
                && migration.row.is_some_and(|row| row.kind != crate::migrations::schema_history::RowType::Delete)
        });
        in_force.filter_map(Migration::version).max()
    }
}
