//! What a statement is for the one who runs it, decided from PostgreSQL's own parse tree.
//!
//! Which statements PostgreSQL refuses in a transaction block: those that call
//! `PreventInTransactionBlock` in PostgreSQL 15. What only the catalogue can tell (REINDEX and
//! CLUSTER of a partitioned table, procedures that commit) isn't decided here: the server refuses
//! it and the script's options must say so.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterSubscriptionType, AlterTableType, DefElem, DiscardMode, Node, ObjectType, RangeVar, ReindexObjectType,
    TransactionStmtKind,
};
use postgres_protocol::escape::escape_identifier;

/// What a statement is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// It runs in a transaction.
    Plain,
    /// A COPY whose data follow in the script.
    CopyIn,
    /// It can't run in a transaction; what an interrupted run of it leaves is known and mended.
    Concurrent(Concurrent),
    /// It can't run in a transaction, and running it twice does no harm.
    Repeatable,
    /// It can't run in a transaction, and makes or drops something that has a name of its own beyond
    /// the database's tables.
    Global(Global),
    /// It ends the transaction that it runs in.
    EndsTransaction,
    /// It drops all that the session holds, advisory locks too.
    DiscardAll,
    /// The grammar doesn't know it; the server will judge.
    Unknown,
}

/// A statement that works in several transactions of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concurrent {
    /// `CREATE INDEX CONCURRENTLY`; the name is missing when the server is to choose it.
    CreateIndex {
        /// The index's name.
        name: Option<String>,
        /// Its table.
        table: Name,
    },
    /// `DROP INDEX CONCURRENTLY`.
    DropIndex(Name),
    /// `REINDEX … CONCURRENTLY`: leaves indexes called `…_ccnew` and `…_ccold`.
    Reindex,
    /// `ALTER TABLE … DETACH PARTITION … CONCURRENTLY`.
    Detach {
        /// The partitioned table.
        parent: Name,
        /// The partition.
        partition: Name,
    },
}

/// Something beyond the database's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// The catalogue that lists it, its column of names, and its name.
    pub catalogue: Catalogue,
    /// Its name.
    pub name: String,
    /// Whether the statement makes it, rather than drops it.
    pub creates: bool,
}

/// Where such a thing is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Catalogue {
    /// `pg_database`.
    Database,
    /// `pg_tablespace`.
    Tablespace,
    /// `pg_subscription`, of this database.
    Subscription,
}

/// A name with or without its schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// The schema, if it was written.
    pub schema: Option<String>,
    /// The name within it.
    pub name: String,
}

impl Class {
    /// What this one statement is.
    pub fn of(statement: &str) -> Self {
        parse(statement).map_or(Self::Unknown, |node| of_node(&node))
    }

    /// Whether it runs in a transaction.
    pub fn is_transactional(&self) -> bool {
        matches!(self, Self::Plain | Self::CopyIn | Self::Unknown | Self::EndsTransaction)
    }
}

/// The tree of one statement; none where the grammar doesn't know it.
pub(super) fn parse(statement: &str) -> Option<NodeEnum> {
    let parsed = pg_query::parse(statement, pg_query::ParserOptions::default()).ok()?;
    parsed.protobuf.stmts.into_iter().find_map(|raw| raw.stmt?.node)
}

pub(super) fn of_node(node: &NodeEnum) -> Class {
    match node {
        NodeEnum::CopyStmt(copy) if copy.is_from && copy.filename.is_empty() && !copy.is_program => Class::CopyIn,
        NodeEnum::IndexStmt(index) if index.concurrent => Class::Concurrent(Concurrent::CreateIndex {
            name: (!index.idxname.is_empty()).then(|| index.idxname.clone()),
            table: index.relation.as_ref().map(Name::of).unwrap_or_default(),
        }),
        NodeEnum::DropStmt(drop) if drop.concurrent && drop.remove_type() == ObjectType::ObjectIndex => drop
            .objects
            .first()
            .map_or(Class::Unknown, |object| Class::Concurrent(Concurrent::DropIndex(qualified(object)))),
        NodeEnum::ReindexStmt(reindex) if is_set(&reindex.params, "concurrently") => {
            Class::Concurrent(Concurrent::Reindex)
        }
        NodeEnum::ReindexStmt(reindex) => match reindex.kind() {
            ReindexObjectType::ReindexObjectIndex | ReindexObjectType::ReindexObjectTable => Class::Plain,
            _ => Class::Repeatable,
        },
        NodeEnum::AlterTableStmt(alter) => {
            let parent = alter.relation.as_ref().map(Name::of).unwrap_or_default();
            detached(&alter.cmds)
                .map_or(Class::Plain, |partition| Class::Concurrent(Concurrent::Detach { parent, partition }))
        }
        NodeEnum::VacuumStmt(vacuum) if vacuum.is_vacuumcmd => Class::Repeatable,
        NodeEnum::ClusterStmt(cluster) if cluster.relation.is_none() => Class::Repeatable,
        NodeEnum::AlterSystemStmt(_) => Class::Repeatable,
        NodeEnum::AlterDatabaseStmt(alter) if is_set(&alter.options, "tablespace") => Class::Repeatable,
        NodeEnum::AlterSubscriptionStmt(alter) => match alter.kind() {
            AlterSubscriptionType::AlterSubscriptionRefresh => Class::Repeatable,
            AlterSubscriptionType::AlterSubscriptionSetPublication
            | AlterSubscriptionType::AlterSubscriptionAddPublication
            | AlterSubscriptionType::AlterSubscriptionDropPublication
                if !is_off(&alter.options, "refresh") =>
            {
                Class::Repeatable
            }
            _ => Class::Plain,
        },
        NodeEnum::DiscardStmt(discard) if discard.target() == DiscardMode::DiscardAll => Class::DiscardAll,
        NodeEnum::TransactionStmt(transaction) => match transaction.kind() {
            TransactionStmtKind::TransStmtCommit
            | TransactionStmtKind::TransStmtRollback
            | TransactionStmtKind::TransStmtPrepare
            | TransactionStmtKind::TransStmtCommitPrepared
            | TransactionStmtKind::TransStmtRollbackPrepared => Class::EndsTransaction,
            _ => Class::Plain,
        },
        NodeEnum::CreatedbStmt(create) => global(Catalogue::Database, &create.dbname, true),
        NodeEnum::DropdbStmt(drop) => global(Catalogue::Database, &drop.dbname, false),
        NodeEnum::CreateTableSpaceStmt(create) => global(Catalogue::Tablespace, &create.tablespacename, true),
        NodeEnum::DropTableSpaceStmt(drop) => global(Catalogue::Tablespace, &drop.tablespacename, false),
        NodeEnum::CreateSubscriptionStmt(create)
            if is_off(&create.options, "create_slot") || is_off(&create.options, "connect") =>
        {
            Class::Plain
        }
        NodeEnum::CreateSubscriptionStmt(create) => global(Catalogue::Subscription, &create.subname, true),
        NodeEnum::DropSubscriptionStmt(drop) => global(Catalogue::Subscription, &drop.subname, false),
        _ => Class::Plain,
    }
}

fn global(catalogue: Catalogue, name: &str, creates: bool) -> Class {
    Class::Global(Global { catalogue, name: name.to_owned(), creates })
}

/// The partition that one of these commands detaches concurrently.
fn detached(commands: &[Node]) -> Option<Name> {
    commands.iter().find_map(|command| {
        let Some(NodeEnum::AlterTableCmd(command)) = &command.node else { return None };
        if command.subtype() != AlterTableType::AtDetachPartition {
            return None;
        }
        match &command.def.as_ref()?.node {
            Some(NodeEnum::PartitionCmd(partition)) if partition.concurrent => partition.name.as_ref().map(Name::of),
            _ => None,
        }
    })
}

/// An option that is there and not switched off.
fn is_set(options: &[Node], name: &str) -> bool {
    option(options, name).is_some_and(|option| !is_false(option))
}

/// An option that is there and switched off.
fn is_off(options: &[Node], name: &str) -> bool {
    option(options, name).is_some_and(is_false)
}

fn option<'a>(options: &'a [Node], name: &str) -> Option<&'a DefElem> {
    options.iter().find_map(|option| match &option.node {
        Some(NodeEnum::DefElem(option)) if option.defname.eq_ignore_ascii_case(name) => Some(&**option),
        _ => None,
    })
}

/// PostgreSQL's `defGetBoolean`: no argument means true.
fn is_false(option: &DefElem) -> bool {
    match option.arg.as_ref().and_then(|arg| arg.node.as_ref()) {
        Some(NodeEnum::String(text)) => ["false", "off"].iter().any(|off| text.sval.eq_ignore_ascii_case(off)),
        Some(NodeEnum::Integer(number)) => number.ival == 0,
        Some(NodeEnum::Boolean(boolean)) => !boolean.boolval,
        _ => false,
    }
}

/// A qualified name as DROP lists it.
fn qualified(object: &Node) -> Name {
    let Some(NodeEnum::List(list)) = &object.node else { return Name::default() };
    let mut parts: Vec<String> = list
        .items
        .iter()
        .filter_map(|item| match &item.node {
            Some(NodeEnum::String(part)) => Some(part.sval.clone()),
            _ => None,
        })
        .collect();
    let name = parts.pop().unwrap_or_default();
    Name { schema: parts.pop(), name }
}

impl Name {
    fn of(relation: &RangeVar) -> Self {
        let schema = (!relation.schemaname.is_empty()).then(|| relation.schemaname.clone());
        Self { schema, name: relation.relname.clone() }
    }

    /// The name as SQL, quoted.
    pub fn quoted(&self) -> String {
        let name = escape_identifier(&self.name);
        self.schema.as_deref().map_or_else(|| name.clone(), |schema| format!("{}.{name}", escape_identifier(schema)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, Concurrent};

    #[test]
    fn what_postgresql_refuses_in_a_transaction_is_known() {
        for sql in [
            "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)",
            "create index concurrently if not exists i on only s.t (a)",
            "DROP INDEX CONCURRENTLY IF EXISTS s.i",
            "REINDEX TABLE CONCURRENTLY t",
            "REINDEX (CONCURRENTLY, VERBOSE) INDEX i",
            "REINDEX DATABASE d",
            "REINDEX SCHEMA s",
            "ALTER TABLE p DETACH PARTITION c CONCURRENTLY",
            "VACUUM",
            "VACUUM (FULL) t",
            "CLUSTER",
            "ALTER SYSTEM SET work_mem = '1MB'",
            "CREATE DATABASE d",
            "DROP DATABASE IF EXISTS d",
            "CREATE TABLESPACE x LOCATION '/x'",
            "DROP TABLESPACE x",
            "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
            "DROP SUBSCRIPTION s",
            "ALTER SUBSCRIPTION s REFRESH PUBLICATION",
            "ALTER DATABASE d SET TABLESPACE x",
            "DISCARD ALL",
        ] {
            assert!(!Class::of(sql).is_transactional(), "{sql}: {:?}", Class::of(sql));
        }
    }

    #[test]
    fn what_it_takes_in_a_transaction_is_plain() {
        for sql in [
            "CREATE INDEX i ON t (a)",
            "DROP INDEX i",
            "REINDEX TABLE t",
            "REINDEX (CONCURRENTLY off) TABLE t",
            "ALTER TABLE p DETACH PARTITION c",
            "ALTER TABLE p DETACH PARTITION c FINALIZE",
            "ANALYZE t",
            "CLUSTER t USING i",
            "ALTER TYPE e ADD VALUE 'x'",
            "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (create_slot = false)",
            "DISCARD PLANS",
            "SAVEPOINT a",
            "SELECT 'CREATE INDEX CONCURRENTLY i ON t (a)'",
            "DO $$ BEGIN EXECUTE 'VACUUM'; END $$",
        ] {
            assert_eq!(Class::of(sql), Class::Plain, "{sql}");
        }
        assert_eq!(Class::of("COMMIT"), Class::EndsTransaction);
        assert_eq!(Class::of("CREATE TABEL t ()"), Class::Unknown);
    }

    #[test]
    fn what_a_resumed_run_looks_for_is_named() {
        let Class::Concurrent(Concurrent::Detach { parent, partition }) =
            Class::of("ALTER TABLE \"a b\".p DETACH PARTITION c CONCURRENTLY")
        else {
            panic!("not a detach")
        };
        assert_eq!((parent.quoted().as_str(), partition.quoted().as_str()), ("\"a b\".\"p\"", "\"c\""));
        let Class::Concurrent(Concurrent::CreateIndex { name, table }) =
            Class::of("CREATE INDEX CONCURRENTLY ON t (a)")
        else {
            panic!("not an index")
        };
        assert_eq!((name, table.quoted().as_str()), (None, "\"t\""));
    }
}
