//! Unique constraints of a sharded table without its key.

use crate::lint::finding::Severity;
use crate::lint::model::{Effect, Name};
use crate::lint::rule::{At, Check, Found, Rule};

pub(super) const RULE: Rule = Rule {
    name: "shard-key-missing",
    severity: Severity::Error,
    why: "Without the shard key, a primary key or unique constraint promises what one shard alone can't keep.",
    mend: "Put the shard key into it; for a value that must be unique on all shards use flotilla.claim.",
    check: Check::Statement(check),
};

fn check(at: &At<'_>, found: &mut Found) {
    for effect in at.effects {
        match effect {
            Effect::Declared(table) | Effect::TableMade(table) => whole(at, table, found),
            Effect::ConstraintAdded(table, label) => constraint(at, table, label, found),
            Effect::IndexMade(name) => index(at, name, found),
            _ => {}
        }
    }
}

/// A table that is declared, or is made as a part of one that was.
fn whole(at: &At<'_>, table: &Name, found: &mut Found) {
    let (Some(key), Some(definition)) = (at.after.key(table), at.after.tables.get(table)) else { return };
    // A partition has its partitioned table's primary key.
    if definition.primary_key().is_none() && definition.parent.is_none() {
        found.here(at, format!("sharded table {table} has no PRIMARY KEY with its key \"{key}\""));
    }
    for label in definition.constraints.keys() {
        constraint(at, table, label, found);
    }
    for (name, _) in at.after.indexes.iter().filter(|(_, index)| index.table == *table) {
        index(at, name, found);
    }
}

fn constraint(at: &At<'_>, table: &Name, label: &str, found: &mut Found) {
    let (Some(key), Some(definition)) = (at.after.key(table), at.after.tables.get(table)) else { return };
    let Some(constraint) = definition.constraints.get(label) else { return };
    // One that is made of an index which the scripts don't know has columns that nobody knows.
    if let Some(kind) = constraint.kind.needs_key()
        && !constraint.columns.is_empty()
        && !constraint.columns.iter().any(|column| column == key)
    {
        found.here(at, format!("{kind} {label} of sharded table {table} lacks its key \"{key}\""));
    }
}

fn index(at: &At<'_>, name: &Name, found: &mut Found) {
    let Some(index) = at.after.indexes.get(name).filter(|index| index.unique) else { return };
    if let Some(key) = at.after.key(&index.table)
        && !index.columns.iter().any(|column| column == key)
    {
        found.here(at, format!("unique index {name} of sharded table {} lacks its key \"{key}\"", index.table));
    }
}
