//! Foreign keys to rows that may be on another shard.

use crate::lint::finding::Severity;
use crate::lint::model::{Catalogue, Constraint, Declared, Effect, Kind, Name};
use crate::lint::rule::{At, Check, Found, Rule};

pub(super) const RULE: Rule = Rule {
    name: "foreign-key-across-shards",
    severity: Severity::Error,
    why: "A foreign key sees its own shard only: without the shard key in it, the row it points to may be on another.",
    mend: "Let the foreign key hold the shard key on both sides, or point to a reference table.",
    check: Check::Statement(check),
};

fn check(at: &At<'_>, found: &mut Found) {
    for effect in at.effects {
        match effect {
            Effect::ConstraintAdded(table, label) => one(at, table, label, found),
            Effect::TableMade(table) => every(at, table, found),
            // Whichever of both is declared last shows what the foreign key is.
            Effect::Declared(table) => {
                every(at, table, found);
                for (other, definition) in at.after.tables.iter().filter(|(other, _)| *other != table) {
                    for (label, constraint) in &definition.constraints {
                        if matches!(&constraint.kind, Kind::Foreign(target, _) if target == table) {
                            one(at, other, label, found);
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

fn every(at: &At<'_>, table: &Name, found: &mut Found) {
    if let Some(definition) = at.after.tables.get(table) {
        for label in definition.constraints.keys() {
            one(at, table, label, found);
        }
    }
}

fn one(at: &At<'_>, table: &Name, label: &str, found: &mut Found) {
    let constraint = at.after.tables.get(table).and_then(|definition| definition.constraints.get(label));
    let Some(constraint) = constraint else { return };
    let Kind::Foreign(target, columns) = &constraint.kind else { return };
    let (Some(own), Some(Declared::Sharded(key))) = (at.after.declared(table), at.after.declared(target)) else {
        return;
    };
    let keeps = matches!(own, Declared::Sharded(own) if pairs(at.after, constraint, target, columns).any(|(a, b)| a == own && b == key));
    if !keeps {
        found
            .here(at, format!("foreign key {label} of table {table} doesn't hold the shard key \"{key}\" of {target}"));
    }
}

/// The columns of both sides; those that aren't named are the primary key's.
fn pairs<'a>(
    schema: &'a Catalogue,
    constraint: &'a Constraint,
    target: &Name,
    columns: &'a [String],
) -> impl Iterator<Item = (&'a String, &'a String)> {
    let primary = schema.tables.get(target).and_then(|table| table.primary_key()).map(|key| key.columns.as_slice());
    let columns = if columns.is_empty() { primary.unwrap_or_default() } else { columns };
    constraint.columns.iter().zip(columns)
}
