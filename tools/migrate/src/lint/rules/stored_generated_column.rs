//! A stored generated column on a table with rows.

use crate::lint::finding::Severity;
use crate::lint::model::Effect;
use crate::lint::rule::{At, Check, Found, Rule};

pub(super) const RULE: Rule = Rule {
    name: "stored-generated-column",
    severity: Severity::Warning,
    why: "A stored generated column rewrites the table while nobody can read or write.",
    mend: "Add a plain column, fill it by a trigger, and backfill the rows in batches: migrate new --pattern backfill.",
    check: Check::Statement(check),
};

fn check(at: &At<'_>, found: &mut Found) {
    for effect in at.effects {
        let Effect::ColumnAdded(table, column) = effect else { continue };
        let definition = at.after.tables.get(table).and_then(|table| table.columns.get(column));
        if !at.is_fresh(table) && definition.is_some_and(|column| column.generated.is_some()) {
            found.here(at, format!("stored generated column {column} rewrites table {table}"));
        }
    }
}
