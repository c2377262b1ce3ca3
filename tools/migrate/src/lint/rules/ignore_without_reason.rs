//! An ignore without a reason.

use crate::lint::finding::Severity;
use crate::lint::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "ignore-without-reason",
    severity: Severity::Error,
    why: "Who reads the script later must learn why a finding was none.",
    mend: "Say why behind the rules: -- flotilla-ignore rule[, rule] reason.",
    check: Check::Engine,
};
