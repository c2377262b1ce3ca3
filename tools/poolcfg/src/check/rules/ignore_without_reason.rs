//! An ignore that doesn't say why.

use crate::check::rule::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    name: "ignore-without-reason",
    severity: Severity::Warning,
    why: "Whoever reads it can't tell whether it still holds.",
    mend: "Write the reason behind the rule's name.",
    check: None,
};
