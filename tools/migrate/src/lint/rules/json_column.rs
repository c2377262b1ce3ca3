//! Columns of type json.

use crate::lint::finding::Severity;
use crate::lint::model::Effect;
use crate::lint::rule::{At, Check, Found, Rule};

pub(super) const RULE: Rule = Rule {
    name: "json-column",
    severity: Severity::Warning,
    why: "Type json has no equality, so that SELECT DISTINCT, UNION and row comparison over the table fail.",
    mend: "Use jsonb.",
    check: Check::Statement(check),
};

fn check(at: &At<'_>, found: &mut Found) {
    let is_json = |type_name: &str| type_name == "json" || type_name == "json[]";
    for effect in at.effects {
        let (table, only) = match effect {
            Effect::TableMade(table) => (table, None),
            Effect::ColumnAdded(table, column) | Effect::ColumnChanged(table, column) => (table, Some(column)),
            _ => continue,
        };
        let Some(definition) = at.after.tables.get(table) else { continue };
        let before = |name: &String| {
            at.before.tables.get(table).and_then(|t| t.columns.get(name)).is_some_and(|c| is_json(&c.type_name))
        };
        for (name, column) in definition.columns.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
            if is_json(&column.type_name) && !before(name) {
                found.here(at, format!("column {name} of table {table} is of type {}", column.type_name));
            }
        }
    }
}
