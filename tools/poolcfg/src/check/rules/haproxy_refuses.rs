//! What HAProxy itself says of its file.

use crate::check::rule::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    name: "haproxy-refuses",
    severity: Severity::Error,
    why: "`haproxy -c` is the last word on whether HAProxy takes a file.",
    mend: "Correct what it names; it needs the files that the configuration names, so run this where HAProxy runs.",
    check: None,
};
