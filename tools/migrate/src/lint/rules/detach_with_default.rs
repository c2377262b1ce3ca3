//! `DETACH PARTITION … CONCURRENTLY` beside a default partition.

use pg_query::NodeEnum;
use pg_query::protobuf::AlterTableType;

use crate::lint::finding::Severity;
use crate::lint::model::Name;
use crate::lint::rule::{At, Check, Found, Rule};

pub(super) const RULE: Rule = Rule {
    name: "detach-with-default",
    severity: Severity::Error,
    why: "PostgreSQL detaches no partition concurrently while there is a default partition.",
    mend: "Detach and drop the empty default partition first, or detach without CONCURRENTLY.",
    check: Check::Statement(check),
};

fn check(at: &At<'_>, found: &mut Found) {
    let Some(NodeEnum::AlterTableStmt(alter)) = &at.statement.node else { return };
    let Some(table) = alter.relation.as_ref().map(Name::of) else { return };
    let concurrent = alter.cmds.iter().any(|command| match &command.node {
        Some(NodeEnum::AlterTableCmd(command)) if command.subtype() == AlterTableType::AtDetachPartition => {
            matches!(command.def.as_ref().and_then(|d| d.node.as_ref()), Some(NodeEnum::PartitionCmd(p)) if p.concurrent)
        }
        _ => false,
    });
    let default = at.before.partitions(&table).find(|(_, part)| part.parent.as_ref().is_some_and(|p| p.is_default));
    if let (true, Some((name, _))) = (concurrent, default) {
        found.here(
            at,
            format!("cannot detach partitions of {table} concurrently while default partition {name} exists"),
        );
    }
}
