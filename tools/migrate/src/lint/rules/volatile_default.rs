//! A new column whose default is another for every row.

use crate::lint::finding::Severity;
use crate::lint::model::{Effect, tree};
use crate::lint::rule::{At, Check, Found, Rule};

pub(super) const RULE: Rule = Rule {
    name: "volatile-default",
    severity: Severity::Warning,
    why: "A default that must be computed for every row rewrites the table while nobody can read or write.",
    mend: "Add the column without it, then set the default, then fill the rows in batches.",
    check: Check::Statement(check),
};

/// Functions whose value is the same for all rows of a statement; every other one may be volatile.
const STABLE: &[&str] = &[
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "current_setting",
    "current_date",
    "current_schema",
    "abs",
    "array",
    "array_fill",
    "coalesce",
    "concat",
    "date_trunc",
    "decode",
    "encode",
    "greatest",
    "jsonb_build_array",
    "jsonb_build_object",
    "least",
    "length",
    "lower",
    "make_date",
    "make_interval",
    "make_timestamptz",
    "md5",
    "repeat",
    "replace",
    "round",
    "to_char",
    "to_date",
    "to_jsonb",
    "to_timestamp",
    "timezone",
    "trim",
    "upper",
];

/// A function in an expression that isn't known to be the same for all rows.
pub(crate) fn volatile_function(expression: &str) -> Option<String> {
    tree::functions(expression).into_iter().find(|name| !STABLE.contains(&&**name))
}

fn check(at: &At<'_>, found: &mut Found) {
    for effect in at.effects {
        let Effect::ColumnAdded(table, column) = effect else { continue };
        let Some(definition) = at.after.tables.get(table).and_then(|table| table.columns.get(column)) else { continue };
        if at.is_fresh(table) {
            continue;
        }
        if let Some(volatile) = definition.default.as_deref().and_then(volatile_function) {
            found.here(at, format!("default {volatile}() of column {column} rewrites table {table}"));
        }
    }
}
