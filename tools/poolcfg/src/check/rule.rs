//! What a rule is, and what it finds.

use schemars::JsonSchema;
use serde::Serialize;

use super::world::World;
use crate::pgbouncer::ini::At;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It works, but it will hurt some day.
    Warning,
    /// It fails, loses connections, or lets in who shouldn't be.
    Error,
}

/// A rule.
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
    /// What looks for it; none where the engine does.
    pub(crate) check: Option<fn(&World<'_>, &mut Found)>,
}

/// What a rule has found.
#[derive(Debug, Default)]
pub(crate) struct Found(pub(crate) Vec<Raw>);

/// A finding before its place is a path.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    /// The subject's number.
    pub(crate) subject: usize,
    /// Where in it.
    pub(crate) at: At,
    /// What was found.
    pub(crate) message: String,
}

impl Found {
    /// A finding at a place of a file with includes.
    pub(crate) fn at(&mut self, subject: usize, at: At, message: impl Into<String>) {
        self.0.push(Raw { subject, at, message: message.into() });
    }

    /// A finding at a line.
    pub(crate) fn line(&mut self, subject: usize, line: usize, message: impl Into<String>) {
        self.at(subject, At { file: 0, line: line.max(1) }, message);
    }
}
