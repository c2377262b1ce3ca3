//! What a rule is.

use std::ops::Range;

use super::finding::Severity;
use super::model::{Catalogue, Effect};
use super::prepared::{Prepared, Statement};
use super::walk::World;

/// A rule of this tool's.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its name, as comments and flags write it.
    pub(crate) name: &'static str,
    /// How bad a finding is.
    pub(crate) severity: Severity,
    /// Why it is one, in a sentence.
    pub(crate) why: &'static str,
    /// How to mend it.
    pub(crate) mend: &'static str,
    /// What looks for it.
    pub(crate) check: Check,
}

/// When a rule is asked.
#[derive(Debug)]
pub(crate) enum Check {
    /// For every statement, in the order in which scripts run.
    Statement(fn(&At<'_>, &mut Found)),
    /// Once, when all scripts have been walked through.
    Set(fn(&World<'_>, &mut Found)),
    /// By the engine itself, which can't go on where it finds it.
    Engine,
}

/// A statement in its place.
pub(crate) struct At<'a> {
    /// The script.
    pub(crate) script: &'a Prepared<'a>,
    /// The statement.
    pub(crate) statement: &'a Statement,
    /// The schema before it.
    pub(crate) before: &'a Catalogue,
    /// The schema after it.
    pub(crate) after: &'a Catalogue,
    /// What it did.
    pub(crate) effects: &'a [Effect],
}

impl At<'_> {
    /// Whether the table was made by this same script, so that nobody else has seen it.
    pub(crate) fn is_fresh(&self, table: &super::model::Name) -> bool {
        self.after
            .tables
            .get(table)
            .or_else(|| self.before.tables.get(table))
            .is_some_and(|t| t.made.script == self.script.number)
    }
}

/// What a rule has found so far.
#[derive(Debug, Default)]
pub(crate) struct Found(pub(crate) Vec<Raw>);

/// A finding before its place in the file and its severity are known.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    /// The script's number.
    pub(crate) script: usize,
    /// Where in its SQL.
    pub(crate) range: Range<usize>,
    /// What was found.
    pub(crate) message: String,
    /// How to mend it, where the rule's own words don't fit.
    pub(crate) mend: Option<String>,
}

impl Found {
    /// A finding at the statement in hand.
    pub(crate) fn here(&mut self, at: &At<'_>, message: impl Into<String>) {
        self.add(at.script.number, at.statement.range.clone(), message);
    }

    /// A finding at any place.
    pub(crate) fn add(&mut self, script: usize, range: Range<usize>, message: impl Into<String>) {
        self.0.push(Raw { script, range, message: message.into(), mend: None });
    }

    /// The same with other words on how to mend it.
    pub(crate) fn add_with(&mut self, script: usize, range: Range<usize>, message: impl Into<String>, mend: String) {
        self.0.push(Raw { script, range, message: message.into(), mend: Some(mend) });
    }
}
