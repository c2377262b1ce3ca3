//! What PostgreSQL's grammar doesn't know.

use crate::lint::finding::Severity;
use crate::lint::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "syntax-error",
    severity: Severity::Error,
    why: "PostgreSQL's own grammar (of version 18, which reads all of 15's) doesn't know it.",
    mend: "Correct it at the place that is named.",
    check: Check::Engine,
};
