//! Commands that rewrite a table under an exclusive lock.

use pg_query::NodeEnum;
use pg_query::protobuf::AlterTableType;

use crate::lint::finding::Severity;
use crate::lint::model::Name;
use crate::lint::rule::{At, Check, Found, Rule};

pub(super) const RULE: Rule = Rule {
    name: "blocking-rewrite",
    severity: Severity::Warning,
    why: "The table is copied while nobody can read or write.",
    mend: "Use pg_repack, or copy the rows to a new table in batches and swap.",
    check: Check::Statement(check),
};

fn check(at: &At<'_>, found: &mut Found) {
    match &at.statement.node {
        Some(NodeEnum::VacuumStmt(vacuum)) if vacuum.options.iter().any(is_full) => {
            found.here(at, "VACUUM FULL rewrites the table");
        }
        Some(NodeEnum::ClusterStmt(_)) => found.here(at, "CLUSTER rewrites the table"),
        Some(NodeEnum::AlterTableStmt(alter)) => {
            let Some(table) = alter.relation.as_ref().map(Name::of).filter(|table| !at.is_fresh(table)) else { return };
            for command in &alter.cmds {
                let Some(NodeEnum::AlterTableCmd(command)) = &command.node else { continue };
                let what = match command.subtype() {
                    AlterTableType::AtSetLogged => "SET LOGGED",
                    AlterTableType::AtSetUnLogged => "SET UNLOGGED",
                    AlterTableType::AtSetTableSpace => "SET TABLESPACE",
                    AlterTableType::AtSetAccessMethod => "SET ACCESS METHOD",
                    _ => continue,
                };
                found.here(at, format!("{what} rewrites table {table}"));
            }
        }
        _ => {}
    }
}

fn is_full(option: &pg_query::protobuf::Node) -> bool {
    matches!(&option.node, Some(NodeEnum::DefElem(option)) if option.defname == "full")
}
