//! An ignore that ignores nothing.

use crate::lint::finding::Severity;
use crate::lint::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "unused-ignore",
    severity: Severity::Warning,
    why: "An ignore that is left behind hides the next finding.",
    mend: "Take the comment away, or put it in front of its statement.",
    check: Check::Engine,
};
