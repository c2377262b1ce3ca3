//! Tables that the fleet knows nothing of.

use crate::lint::finding::Severity;
use crate::lint::model::{Catalogue, Name, Table};
use crate::lint::rule::{Check, Found, Rule};
use crate::lint::walk::World;

pub(super) const RULE: Rule = Rule {
    name: "undeclared-table",
    severity: Severity::Error,
    why: "A table that was never declared is neither fenced, moved nor compared: nobody knows which shard has its rows.",
    mend: "Call flotilla.protect('table', 'key') for a sharded table, flotilla.declare_table('table', 'reference') or \
           ('table', 'local') for another.",
    check: Check::Set(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for schema in &world.ends {
        for (name, table) in &schema.tables {
            let Some(script) = world.scripts.get(table.made.script) else { continue };
            if is_ours(name, table) && !is_declared(schema, name) {
                let range = script.statements.get(table.made.statement).map_or(0..0, |s| s.range.clone());
                found.add(script.number, range, format!("table {name} is never declared"));
            }
        }
    }
}

fn is_ours(name: &Name, table: &Table) -> bool {
    !table.temporary && name.schema != "flotilla" && name.schema != "pg_temp" && name.name != "flyway_schema_history"
}

/// A partition is what its partitioned table is; of one that the scripts haven't made, nothing is known.
fn is_declared(schema: &Catalogue, name: &Name) -> bool {
    let mut at = name;
    loop {
        let Some(table) = schema.tables.get(at) else { return true };
        if table.declared.is_some() {
            return true;
        }
        match &table.parent {
            Some(parent) => at = &parent.table,
            None => return false,
        }
    }
}
