//! An ignore that ignores nothing.

use crate::check::rule::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    name: "unused-ignore",
    severity: Severity::Warning,
    why: "An ignore that is left behind hides the next finding.",
    mend: "Take the comment away, or put it in front of its line.",
    check: None,
};
