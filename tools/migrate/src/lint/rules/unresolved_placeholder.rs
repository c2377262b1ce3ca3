//! Placeholders without a value.

use crate::lint::finding::Severity;
use crate::lint::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "unresolved-placeholder",
    severity: Severity::Error,
    why: "A placeholder without a value ends the run before its script.",
    mend: "Give it with --placeholder NAME=VALUE, or turn placeholders off in the script's .conf file.",
    check: Check::Engine,
};
