//! A line that the program can't read.

use crate::check::rule::{Rule, Severity};

pub(super) const RULE: Rule = Rule {
    name: "syntax",
    severity: Severity::Error,
    why: "PgBouncer stops reading there: at its start it ends, at a reload all that stands behind is set to defaults. HAProxy refuses the file.",
    mend: "Correct the line.",
    check: None,
};
