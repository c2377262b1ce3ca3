//! An exclusion constraint on a table with rows.

use crate::lint::finding::Severity;
use crate::lint::model::{Effect, Kind};
use crate::lint::rule::{At, Check, Found, Rule};

pub(super) const RULE: Rule = Rule {
    name: "exclusion-constraint",
    severity: Severity::Warning,
    why: "An exclusion constraint builds its index while nobody can read or write, and can't be added NOT VALID.",
    mend: "Make a new table with the constraint and move the rows, or do it when nobody works.",
    check: Check::Statement(check),
};

fn check(at: &At<'_>, found: &mut Found) {
    for effect in at.effects {
        let Effect::ConstraintAdded(table, label) = effect else { continue };
        let constraint = at.after.tables.get(table).and_then(|table| table.constraints.get(label));
        if !at.is_fresh(table) && constraint.is_some_and(|constraint| constraint.kind == Kind::Exclusion) {
            found.here(at, format!("exclusion constraint {label} on table {table}, which is in use"));
        }
    }
}
