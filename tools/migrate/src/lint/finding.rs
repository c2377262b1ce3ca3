//! What lint has to say: a finding, how bad it is, and where it stands.

use schemars::JsonSchema;
use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To be known: something that lint can't judge, or that needs another role.
    Info,
    /// It works, but it may block or break clients.
    Warning,
    /// It fails, or the fleet is wrong afterwards.
    Error,
}

/// Who found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A rule of squawk's.
    Squawk,
    /// A rule of this tool's.
    Flotilla,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, as it was found.
    pub file: String,
    /// The line in the file as it stands, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// The rule's name.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub message: String,
    /// How to mend it.
    pub hint: String,
    /// The statement without its data, shortened; none where the finding is about a file.
    pub statement: Option<String>,
    /// Who found it.
    pub source: Source,
}
