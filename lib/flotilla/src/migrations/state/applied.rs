//! Rows: which of them are in force, and what has become of each.

use std::collections::HashMap;

use crate::error::{Code, Error, Result};

use super::resolve::Facts;
use super::{Resolved, State};
use crate::migrations::schema_history::{Row, RowType};
use crate::migrations::scripts::Version;

/// A row, and what later rows say of it.
#[derive(Debug)]
pub(super) struct Applied<'a> {
    pub(super) row: &'a Row,
    pub(super) deleted: bool,
    pub(super) undone: bool,
    pub(super) out_of_order: bool,
}

impl<'a> Applied<'a> {
    fn new(row: &'a Row) -> Self {
        Self { row, deleted: false, undone: false, out_of_order: false }
    }

    /// What has become of it.
    pub(super) fn state(&self, script: Option<&Resolved<'_>>, facts: &Facts<'_>) -> State {
        if self.undone {
            return State::Undone;
        }
        if self.deleted {
            return State::Deleted;
        }
        let row = self.row;
        if row.kind == RowType::Delete || row.kind.is_undo() {
            return State::Success;
        }
        if row.kind == RowType::Baseline || row.kind.is_baseline() {
            return self.baseline_state(script, facts);
        }
        if let Some(state) = self.missing(script, facts) {
            return state;
        }
        if !row.success {
            return State::Failed;
        }
        if row.version.is_none() && row.kind != RowType::Schema {
            return match facts.last_runs.get(row.description.as_str()) {
                Some(last) if *last != row.rank => State::Superseded,
                _ if script.is_some_and(|script| script.matches(row.checksum)) => State::Success,
                _ => State::Outdated,
            };
        }
        if self.out_of_order { State::OutOfOrder } else { State::Success }
    }

    /// A baseline's mark needs no script; a baseline script does.
    fn baseline_state(&self, script: Option<&Resolved<'_>>, facts: &Facts<'_>) -> State {
        match self.row.kind {
            RowType::Baseline => State::Baseline,
            _ if !self.row.success => State::Failed,
            _ => self.missing(script, facts).unwrap_or(State::Baseline),
        }
    }

    fn missing(&self, script: Option<&Resolved<'_>>, facts: &Facts<'_>) -> Option<State> {
        let row = self.row;
        let superseded = row.version.is_none()
            && facts.last_runs.get(row.description.as_str()).is_some_and(|last| *last != row.rank);
        if script.is_some() || superseded {
            return None;
        }
        if row.kind == RowType::Schema {
            return Some(State::Success);
        }
        let is_known = row.version.as_ref().is_none_or(|version| facts.last_script.is_some_and(|last| version < last));
        Some(match (is_known, row.success) {
            (true, true) => State::Missing,
            (true, false) => State::MissingFailed,
            (false, true) => State::Future,
            (false, false) => State::FutureFailed,
        })
    }
}

/// Rows with a version. A DELETE row isn't one of them: it speaks of the one before it.
pub(super) fn versioned(rows: &[Row]) -> Result<Vec<Applied<'_>>> {
    let mut applied: Vec<Applied<'_>> = Vec::new();
    for row in rows {
        let Some(version) = &row.version else { continue };
        if row.kind == RowType::Delete && row.success {
            mark_deleted(&mut applied, version)?;
            continue;
        }
        if row.kind.is_undo() && row.success {
            mark_undone(&mut applied, version);
        }
        applied.push(Applied::new(row));
    }
    let mut last: Option<&Version> = None;
    for of in &mut applied {
        let version = of.row.version.as_ref();
        if version > last {
            if !of.deleted && !of.undone && !of.row.kind.is_undo() {
                last = version;
            }
        } else {
            of.out_of_order = true;
        }
    }
    Ok(applied)
}

fn mark_deleted(applied: &mut [Applied<'_>], version: &Version) -> Result<()> {
    let of =
        applied.iter_mut().rev().find(|of| !of.row.kind.is_synthetic() && of.row.version.as_ref() == Some(version));
    match of {
        Some(of) if of.deleted => Err(Error::new(
            Code::Mismatch,
            format!("corrupted schema history: more than one DELETE row for version {version}"),
        )
        .hint("Look at the history with psql; Flyway refuses it too.")),
        Some(of) => {
            of.deleted = true;
            Ok(())
        }
        None => Ok(()),
    }
}

fn mark_undone(applied: &mut [Applied<'_>], version: &Version) {
    let of = applied
        .iter_mut()
        .rev()
        .find(|of| !of.row.kind.is_synthetic() && !of.row.kind.is_undo() && of.row.version.as_ref() == Some(version));
    if let Some(of) = of {
        of.undone = true;
    }
}

/// Rows without a version.
pub(super) fn repeatable(rows: &[Row]) -> Vec<Applied<'_>> {
    let mut applied: Vec<Applied<'_>> = Vec::new();
    for row in rows.iter().filter(|row| row.version.is_none()) {
        applied.push(Applied::new(row));
        if row.kind == RowType::Delete && row.success {
            let last = applied
                .iter_mut()
                .rev()
                .find(|of| !of.row.kind.is_synthetic() && of.row.description == row.description);
            if let Some(last) = last {
                last.deleted = true;
            }
        }
    }
    applied
}

/// The highest version in force.
pub(super) fn last<'a>(applied: &[Applied<'a>]) -> Option<&'a Version> {
    applied
        .iter()
        .filter(|of| !of.deleted && !of.undone && !of.row.kind.is_undo())
        .filter_map(|of| of.row.version.as_ref())
        .max()
}

/// The highest baseline.
pub(super) fn baseline(rows: &[Row]) -> Option<&Version> {
    rows.iter().filter(|row| row.kind.is_baseline()).filter_map(|row| row.version.as_ref()).max()
}

/// The rank of each repeatable script's last run.
pub(super) fn last_runs<'a>(repeated: &[Applied<'a>]) -> HashMap<&'a str, i32> {
    let mut last: HashMap<&'a str, i32> = HashMap::new();
    for of in repeated {
        let rank = last.entry(&of.row.description).or_insert(of.row.rank);
        *rank = of.row.rank.max(*rank);
    }
    last
}
