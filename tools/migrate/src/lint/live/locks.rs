//! Which statement takes which lock on what, as PostgreSQL 15 does; held against a server by the suite.

use pg_query::NodeEnum;
use pg_query::protobuf::{ConstrType, Constraint, LockStmt, Node, ObjectType, RangeVar, ReindexObjectType};

use super::alter;
use super::mode::{Mode, Work};
use crate::lint::model::{Catalogue, Kind, Name, tree};

/// A lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lock {
    /// What is locked.
    pub(crate) on: On,
    /// How.
    pub(crate) mode: Mode,
    /// What is done meanwhile.
    pub(crate) work: Work,
}

/// What is locked, as far as a statement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// This relation, with its partitions.
    Relation(Name),
    /// The table that this index is on.
    TableOf(Name),
    /// The default partition of this table, if it has one.
    DefaultOf(Name),
}

use Mode::{AccessExclusive, Exclusive, RowExclusive, RowShare, Share, ShareRowExclusive, ShareUpdateExclusive};

pub(super) fn on(name: &Name, mode: Mode, work: Work) -> Lock {
    Lock { on: On::Relation(name.clone()), mode, work }
}

fn of(relation: Option<&RangeVar>, mode: Mode, work: Work) -> Vec<Lock> {
    relation.map(|relation| on(&Name::of(relation), mode, work)).into_iter().collect()
}

fn index(name: Name, mode: Mode, work: Work) -> Lock {
    Lock { on: On::TableOf(name), mode, work }
}

/// The locks that a statement takes beyond those for reading; none where only its running would tell.
pub(super) fn locks(node: &NodeEnum, schema: &Catalogue) -> Option<Vec<Lock>> {
    let locks = match node {
        NodeEnum::AlterTableStmt(alter) => alter::locks(alter, schema),
        NodeEnum::IndexStmt(index) => {
            let mode = if index.concurrent { ShareUpdateExclusive } else { Share };
            let only = index.relation.as_ref().is_some_and(|relation| !relation.inh);
            of(index.relation.as_ref(), mode, if only { Work::Instant } else { Work::Index })
        }
        NodeEnum::ReindexStmt(reindex) => {
            let mode = if is_set(&reindex.params, "concurrently") { ShareUpdateExclusive } else { Share };
            match (reindex.kind(), reindex.relation.as_ref()) {
                (ReindexObjectType::ReindexObjectTable, relation) => of(relation, mode, Work::Index),
                (ReindexObjectType::ReindexObjectIndex, Some(relation)) => {
                    vec![index(Name::of(relation), mode, Work::Index)]
                }
                _ => return None,
            }
        }
        NodeEnum::DropStmt(drop) => drop.objects.iter().flat_map(|object| dropped(drop, object, schema)).collect(),
        NodeEnum::CreateStmt(create) => created(create),
        NodeEnum::RenameStmt(rename) => match rename.rename_type() {
            ObjectType::ObjectIndex => of(rename.relation.as_ref(), ShareUpdateExclusive, Work::Instant),
            _ => of(rename.relation.as_ref(), AccessExclusive, Work::Instant),
        },
        NodeEnum::AlterObjectSchemaStmt(alter) => of(alter.relation.as_ref(), AccessExclusive, Work::Instant),
        NodeEnum::CreateTrigStmt(trigger) => of(trigger.relation.as_ref(), ShareRowExclusive, Work::Instant),
        NodeEnum::RuleStmt(rule) => of(rule.relation.as_ref(), AccessExclusive, Work::Instant),
        NodeEnum::CreatePolicyStmt(policy) => of(policy.table.as_ref(), AccessExclusive, Work::Instant),
        NodeEnum::AlterPolicyStmt(policy) => of(policy.table.as_ref(), AccessExclusive, Work::Instant),
        NodeEnum::CreateStatsStmt(stats) => ranges(&stats.relations, ShareUpdateExclusive, Work::Instant),
        NodeEnum::CommentStmt(comment) => commented(comment.objtype(), comment.object.as_deref()),
        NodeEnum::TruncateStmt(truncate) => ranges(&truncate.relations, AccessExclusive, Work::Instant),
        NodeEnum::ClusterStmt(cluster) => of(Some(cluster.relation.as_ref()?), AccessExclusive, Work::Rewrite),
        NodeEnum::RefreshMatViewStmt(refresh) => {
            let mode = if refresh.concurrent { Exclusive } else { AccessExclusive };
            of(refresh.relation.as_ref(), mode, Work::Rewrite)
        }
        NodeEnum::VacuumStmt(vacuum) => {
            let (mode, work) = match (vacuum.is_vacuumcmd, is_set(&vacuum.options, "full")) {
                (true, true) => (AccessExclusive, Work::Rewrite),
                (true, false) => (ShareUpdateExclusive, Work::Scan),
                (false, _) => (ShareUpdateExclusive, Work::Instant),
            };
            if vacuum.rels.is_empty() {
                return None;
            }
            let named = vacuum.rels.iter().filter_map(|node| match &node.node {
                Some(NodeEnum::VacuumRelation(relation)) => relation.relation.as_ref().map(Name::of),
                _ => None,
            });
            named.map(|name| on(&name, mode, work)).collect()
        }
        NodeEnum::LockStmt(lock) => locked(lock),
        NodeEnum::InsertStmt(insert) => of(insert.relation.as_ref(), RowExclusive, Work::Instant),
        NodeEnum::UpdateStmt(update) => {
            let work = if update.where_clause.is_none() { Work::Rewrite } else { Work::Scan };
            of(update.relation.as_ref(), RowExclusive, work)
        }
        NodeEnum::DeleteStmt(delete) => of(delete.relation.as_ref(), RowExclusive, Work::Scan),
        NodeEnum::MergeStmt(merge) => of(merge.relation.as_ref(), RowExclusive, Work::Scan),
        NodeEnum::CopyStmt(copy) if copy.is_from => of(copy.relation.as_ref(), RowExclusive, Work::Instant),
        NodeEnum::SelectStmt(select) => selected(select, node)?,
        NodeEnum::DoStmt(_) | NodeEnum::CallStmt(_) | NodeEnum::ExecuteStmt(_) => return None,
        _ => Vec::new(),
    };
    Some(locks)
}

fn ranges(nodes: &[Node], mode: Mode, work: Work) -> Vec<Lock> {
    let relations = nodes.iter().filter_map(|node| match &node.node {
        Some(NodeEnum::RangeVar(relation)) => Some(Name::of(relation)),
        _ => None,
    });
    relations.map(|name| on(&name, mode, work)).collect()
}

fn is_set(options: &[Node], name: &str) -> bool {
    options.iter().any(|option| matches!(&option.node, Some(NodeEnum::DefElem(option)) if option.defname == name))
}

/// A table goes with its foreign keys, whose other ends are locked as well.
fn dropped(drop: &pg_query::protobuf::DropStmt, object: &Node, schema: &Catalogue) -> Vec<Lock> {
    let parts = tree::parts(object);
    let name = Name::of_parts(&parts);
    match (drop.remove_type(), name) {
        (ObjectType::ObjectTable, Some(name)) => {
            let ends = schema.tables.get(&name).map(|table| table.constraints.values()).into_iter().flatten();
            let ends = ends.filter_map(|constraint| foreign(&constraint.kind));
            std::iter::once(name.clone()).chain(ends).map(|name| on(&name, AccessExclusive, Work::Instant)).collect()
        }
        (ObjectType::ObjectIndex, Some(name)) => {
            vec![index(name, if drop.concurrent { ShareUpdateExclusive } else { AccessExclusive }, Work::Instant)]
        }
        (ObjectType::ObjectView | ObjectType::ObjectMatview | ObjectType::ObjectSequence, Some(name)) => {
            vec![on(&name, AccessExclusive, Work::Instant)]
        }
        (ObjectType::ObjectTrigger | ObjectType::ObjectPolicy | ObjectType::ObjectRule, _) => {
            let table = parts.split_last().and_then(|(_, table)| Name::of_parts(table));
            table.map(|table| on(&table, AccessExclusive, Work::Instant)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// The table at the other end of a foreign key.
pub(super) fn foreign(kind: &Kind) -> Option<Name> {
    if let Kind::Foreign(target, _) = kind { Some(target.clone()) } else { None }
}

/// A new table is nobody's yet, but what it points to and what it is a part of are locked.
fn created(create: &pg_query::protobuf::CreateStmt) -> Vec<Lock> {
    let columns = create.table_elts.iter().filter_map(|element| match &element.node {
        Some(NodeEnum::ColumnDef(column)) => Some(&column.constraints),
        _ => None,
    });
    let all = columns.flatten().chain(&create.table_elts).chain(&create.constraints);
    let mut locks: Vec<Lock> =
        all.filter_map(constraint).filter_map(|constraint| referenced(constraint, ShareRowExclusive)).collect();
    if create.partbound.is_some() {
        for parent in ranges(&create.inh_relations, AccessExclusive, Work::Instant) {
            if let On::Relation(name) = &parent.on {
                locks.push(Lock { on: On::DefaultOf(name.clone()), mode: AccessExclusive, work: Work::Scan });
            }
            locks.push(parent);
        }
    }
    locks
}

fn constraint(node: &Node) -> Option<&Constraint> {
    if let Some(NodeEnum::Constraint(constraint)) = &node.node { Some(constraint) } else { None }
}

/// The lock on what a foreign key points to.
pub(super) fn referenced(constraint: &Constraint, mode: Mode) -> Option<Lock> {
    let target = constraint.pktable.as_ref().filter(|_| constraint.contype() == ConstrType::ConstrForeign)?;
    Some(on(&Name::of(target), mode, Work::Instant))
}

fn commented(kind: ObjectType, object: Option<&Node>) -> Vec<Lock> {
    let parts = object.map(tree::parts).unwrap_or_default();
    let name = match kind {
        ObjectType::ObjectTable | ObjectType::ObjectIndex | ObjectType::ObjectView => Name::of_parts(&parts),
        ObjectType::ObjectColumn | ObjectType::ObjectTrigger | ObjectType::ObjectTabconstraint => {
            parts.split_last().and_then(|(_, table)| Name::of_parts(table))
        }
        _ => None,
    };
    name.map(|name| on(&name, ShareUpdateExclusive, Work::Instant)).into_iter().collect()
}

fn locked(lock: &LockStmt) -> Vec<Lock> {
    let mode = usize::try_from(lock.mode).ok().and_then(|number| Mode::ALL.get(number.checked_sub(1)?).copied());
    ranges(&lock.relations, mode.unwrap_or(AccessExclusive), Work::Instant)
}

/// A query locks its rows at most; what functions do is known of this system's own.
fn selected(select: &pg_query::protobuf::SelectStmt, node: &NodeEnum) -> Option<Vec<Lock>> {
    let mut locks = Vec::new();
    if !select.locking_clause.is_empty() {
        locks.extend(ranges(&select.from_clause, RowShare, Work::Scan));
    }
    for call in tree::calls(node) {
        let name = tree::strings(&call.funcname);
        let names: Vec<&str> = name.iter().map(String::as_str).collect();
        let table = call.args.first().and_then(tree::text_constant).and_then(Name::of_text);
        match (names.as_slice(), table) {
            (["flotilla", "protect" | "unprotect" | "swap_fence" | "prepare_attach"], Some(table)) => {
                locks.push(on(&table, AccessExclusive, Work::Instant));
            }
            (["flotilla", "validate_fence"], Some(table)) => locks.push(on(&table, ShareUpdateExclusive, Work::Scan)),
            (["flotilla", "declare_table"] | ["pg_catalog", _], _) => {}
            _ => return None,
        }
    }
    Some(locks)
}
