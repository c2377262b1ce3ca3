//! Statements that can't run in a transaction.

use crate::lint::finding::Severity;
use crate::lint::rule::{At, Check, Found, Rule};

pub(super) const RULE: Rule = Rule {
    name: "not-alone",
    severity: Severity::Error,
    why: "What runs outside of a transaction can't be rolled back with its neighbours: half of the script would be done.",
    mend: "Move the statement to a script of its own.",
    check: Check::Statement(check),
};

fn check(at: &At<'_>, found: &mut Found) {
    if at.statement.class.is_transactional() {
        return;
    }
    if at.script.script.options.in_transaction == Some(true) {
        let mend = "Take executeInTransaction=true out of the script's .conf file.".to_owned();
        let message = "the statement can't run in a transaction, but the script's .conf file asks for one";
        found.add_with(at.script.number, at.statement.range.clone(), message, mend);
    } else if at.script.statements.len() > 1 {
        found.here(at, "a statement that can't run in a transaction isn't alone in its script");
    }
}
