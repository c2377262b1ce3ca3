//! What the role that owns the tables may not do.

use pg_query::NodeEnum;

use crate::lint::finding::Severity;
use crate::lint::rule::{At, Check, Found, Rule};

pub(super) const RULE: Rule = Rule {
    name: "owner-may-not",
    severity: Severity::Info,
    why: "Migrations run as the owner of the tables, who is no superuser.",
    mend: "Do it with shardctl init, or as an administrator before the migration.",
    check: Check::Statement(check),
};

/// Extensions that anybody may create who may create in the database: PostgreSQL 15's trusted ones.
const TRUSTED: &[&str] = &[
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dict_int",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "lo",
    "ltree",
    "pg_trgm",
    "pgcrypto",
    "plpgsql",
    "seg",
    "tablefunc",
    "tcn",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
];

fn check(at: &At<'_>, found: &mut Found) {
    let what = match &at.statement.node {
        Some(NodeEnum::CreateExtensionStmt(create)) if !TRUSTED.contains(&&*create.extname) => {
            format!("CREATE EXTENSION {}", create.extname)
        }
        Some(NodeEnum::AlterSystemStmt(_)) => "ALTER SYSTEM".to_owned(),
        Some(NodeEnum::CreateRoleStmt(_)) => "CREATE ROLE".to_owned(),
        Some(NodeEnum::AlterRoleStmt(_) | NodeEnum::AlterRoleSetStmt(_)) => "ALTER ROLE".to_owned(),
        Some(NodeEnum::DropRoleStmt(_)) => "DROP ROLE".to_owned(),
        Some(NodeEnum::GrantRoleStmt(_)) => "GRANT of a role".to_owned(),
        Some(NodeEnum::CreatedbStmt(_) | NodeEnum::DropdbStmt(_)) => "CREATE or DROP DATABASE".to_owned(),
        Some(NodeEnum::CreateTableSpaceStmt(_) | NodeEnum::DropTableSpaceStmt(_)) => "a tablespace".to_owned(),
        Some(NodeEnum::CreateEventTrigStmt(_)) => "CREATE EVENT TRIGGER".to_owned(),
        Some(NodeEnum::CreateSubscriptionStmt(_)) => "CREATE SUBSCRIPTION".to_owned(),
        Some(NodeEnum::CreatePublicationStmt(create)) if create.for_all_tables => {
            "CREATE PUBLICATION FOR ALL TABLES".to_owned()
        }
        Some(NodeEnum::CopyStmt(copy)) if copy.is_program || !copy.filename.is_empty() => {
            "COPY with a file or program of the server".to_owned()
        }
        _ => return,
    };
    found.here(at, format!("the owner role may not run this: {what}"));
}
