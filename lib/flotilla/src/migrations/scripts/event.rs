//! The events that callbacks are named after.

use strum::{EnumIter, IntoEnumIterator as _, IntoStaticStr};

/// An event of a run. The names are Flyway's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "camelCase")]
#[expect(missing_docs, reason = "each name says when it happens; migrate(1) has the table")]
pub enum Event {
    BeforeConnect,
    AfterConnect,
    BeforeCreateSchema,
    BeforeMigrate,
    BeforeRepeatables,
    BeforeEachMigrate,
    BeforeEachMigrateStatement,
    AfterEachMigrateStatement,
    AfterEachMigrateStatementError,
    AfterEachMigrate,
    AfterEachMigrateError,
    AfterVersioned,
    AfterMigrateApplied,
    AfterMigrate,
    AfterMigrateError,
    AfterMigrateOperationFinish,
    BeforeUndo,
    BeforeEachUndo,
    BeforeEachUndoStatement,
    AfterEachUndoStatement,
    AfterEachUndoStatementError,
    AfterEachUndo,
    AfterEachUndoError,
    AfterUndo,
    AfterUndoError,
    AfterUndoOperationFinish,
    BeforeValidate,
    AfterValidate,
    AfterValidateError,
    AfterValidateOperationFinish,
    BeforeBaseline,
    AfterBaseline,
    AfterBaselineError,
    AfterBaselineOperationFinish,
    BeforeRepair,
    AfterRepair,
    AfterRepairError,
    AfterRepairOperationFinish,
    BeforeInfo,
    AfterInfo,
    AfterInfoError,
    AfterInfoOperationFinish,
    BeforeClean,
    AfterClean,
    AfterCleanError,
    AfterCleanOperationFinish,
    CreateSchema,
}

impl Event {
    /// The event's name, as files carry it.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The event that a name begins with, and the rest of the name; the longest that fits.
    pub(super) fn prefix_of(stem: &str) -> Option<(Self, &str)> {
        Self::iter()
            .filter_map(|event| stem.strip_prefix(event.name()).map(|rest| (event, rest)))
            .min_by_key(|(_, rest)| rest.len())
    }
}
