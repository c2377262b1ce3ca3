//! Numbers drawn from a sequence of one shard.

use crate::lint::finding::Severity;
use crate::lint::model::{Column, Effect, Name, tree};
use crate::lint::rule::{At, Check, Found, Rule};

pub(super) const RULE: Rule = Rule {
    name: "local-sequence",
    severity: Severity::Error,
    why: "Every shard has a sequence of its own, so that serial, identity and nextval give the same number on several.",
    mend: "Make the column bigint and fill it with flotilla.next_id(key).",
    check: Check::Statement(check),
};

fn check(at: &At<'_>, found: &mut Found) {
    for effect in at.effects {
        match effect {
            Effect::Declared(table) | Effect::TableMade(table) => every(at, table, None, found),
            Effect::ColumnAdded(table, column) | Effect::ColumnChanged(table, column) => {
                every(at, table, Some(column), found);
            }
            _ => {}
        }
    }
}

fn every(at: &At<'_>, table: &Name, only: Option<&String>, found: &mut Found) {
    if at.after.key(table).is_none() {
        return;
    }
    let Some(definition) = at.after.tables.get(table) else { return };
    for (name, column) in definition.columns.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        if let Some(how) = draws(column) {
            found.here(at, format!("column {name} of sharded table {table} {how}"));
        }
    }
}

fn draws(column: &Column) -> Option<String> {
    if column.type_name.contains("serial") {
        return Some(format!("is {}", column.type_name));
    }
    if column.identity.is_some() {
        return Some("is an identity column".to_owned());
    }
    let default = column.default.as_ref()?;
    tree::functions(default).iter().any(|name| name == "nextval").then(|| "draws from a sequence".to_owned())
}
