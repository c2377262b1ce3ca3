//! `CONCURRENTLY` on a partitioned table's index.

use pg_query::NodeEnum;
use pg_query::protobuf::ObjectType;

use crate::lint::finding::Severity;
use crate::lint::model::{Name, tree};
use crate::lint::rule::{At, Check, Found, Rule};

pub(super) const RULE: Rule = Rule {
    name: "concurrently-on-partitioned",
    severity: Severity::Error,
    why: "PostgreSQL makes and drops no index of a partitioned table concurrently.",
    mend: "Make it ON ONLY the partitioned table, then CONCURRENTLY on each partition, then attach them.",
    check: Check::Statement(check),
};

fn check(at: &At<'_>, found: &mut Found) {
    let is_partitioned = |name: &Name| at.before.tables.get(name).is_some_and(|table| table.partitioned.is_some());
    match &at.statement.node {
        Some(NodeEnum::IndexStmt(index)) if index.concurrent => {
            let table = index.relation.as_ref().map(Name::of);
            if let Some(table) = table.filter(is_partitioned) {
                found.here(at, format!("cannot create index on partitioned table {table} concurrently"));
            }
        }
        Some(NodeEnum::DropStmt(drop)) if drop.concurrent && drop.remove_type() == ObjectType::ObjectIndex => {
            for object in &drop.objects {
                let Some(name) = Name::of_parts(&tree::parts(object)) else { continue };
                if at.before.indexes.get(&name).is_some_and(|index| is_partitioned(&index.table)) {
                    let message = format!("cannot drop partitioned index {name} concurrently");
                    let mend = "Drop it without CONCURRENTLY; its partitions' indexes go with it.".to_owned();
                    found.add_with(at.script.number, at.statement.range.clone(), message, mend);
                }
            }
        }
        _ => {}
    }
}
