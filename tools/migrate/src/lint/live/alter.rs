//! The locks of ALTER TABLE: the strongest that one of its commands needs, and the most work.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterTableCmd, AlterTableStmt, AlterTableType as Type, ColumnDef, ConstrType, Constraint, Node, ObjectType,
    PartitionCmd,
};

use super::locks::{Lock, On, foreign, on, referenced};
use super::mode::Mode::{AccessExclusive, RowShare, ShareRowExclusive, ShareUpdateExclusive};
use super::mode::{Mode, Work};
use crate::lint::model::{Catalogue, Kind, Name, Table, tree};
use crate::lint::rules::volatile_function;

/// The locks of the whole statement.
pub(super) fn locks(alter: &AlterTableStmt, schema: &Catalogue) -> Vec<Lock> {
    let Some(relation) = &alter.relation else { return Vec::new() };
    let name = Name::of(relation);
    if alter.objtype() == ObjectType::ObjectIndex {
        return vec![on(&name, ShareUpdateExclusive, Work::Instant)];
    }
    let table = schema.tables.get(&name).map(|table| &**table);
    let (mut mode, mut work, mut others) = (Mode::AccessShare, Work::Instant, Vec::new());
    for command in &alter.cmds {
        let Some(NodeEnum::AlterTableCmd(command)) = &command.node else { continue };
        let (needs, does) = one(command, &name, table, &mut others);
        mode = mode.max(needs);
        work = work.max(does);
    }
    let mut locks = vec![on(&name, mode, work)];
    locks.append(&mut others);
    locks
}

fn one(command: &AlterTableCmd, name: &Name, table: Option<&Table>, others: &mut Vec<Lock>) -> (Mode, Work) {
    let definition = command.def.as_ref().and_then(|def| def.node.as_ref());
    match (command.subtype(), definition) {
        (Type::AtAddColumn, Some(NodeEnum::ColumnDef(column))) => (AccessExclusive, new_column(column, others)),
        (Type::AtAddConstraint | Type::AtAddIndexConstraint, Some(NodeEnum::Constraint(constraint))) => {
            added(constraint, table, others)
        }
        (Type::AtSetNotNull, _) => {
            let proved = table.is_some_and(|table| is_proved(table, &command.name));
            (AccessExclusive, if proved { Work::Instant } else { Work::Scan })
        }
        (Type::AtAlterColumnType, Some(NodeEnum::ColumnDef(column))) => {
            let old = table.and_then(|table| table.columns.get(&command.name)).map(|column| &*column.type_name);
            (AccessExclusive, retyped(old, column))
        }
        (Type::AtSetLogged | Type::AtSetUnLogged | Type::AtSetTableSpace | Type::AtSetAccessMethod, _) => {
            (AccessExclusive, Work::Rewrite)
        }
        (Type::AtValidateConstraint, _) => {
            let constraint = table.and_then(|table| table.constraints.get(&command.name));
            others.extend(constraint.and_then(|c| foreign(&c.kind)).map(|end| on(&end, RowShare, Work::Instant)));
            (ShareUpdateExclusive, Work::Scan)
        }
        (Type::AtDropConstraint, _) => {
            let constraint = table.and_then(|table| table.constraints.get(&command.name));
            others
                .extend(constraint.and_then(|c| foreign(&c.kind)).map(|end| on(&end, AccessExclusive, Work::Instant)));
            (AccessExclusive, Work::Instant)
        }
        (Type::AtAttachPartition, Some(NodeEnum::PartitionCmd(partition))) => {
            others.extend(part(partition, AccessExclusive, Work::Scan));
            others.push(Lock { on: On::DefaultOf(name.clone()), mode: AccessExclusive, work: Work::Scan });
            (ShareUpdateExclusive, Work::Instant)
        }
        (Type::AtDetachPartition, Some(NodeEnum::PartitionCmd(partition))) => {
            let mode = if partition.concurrent { ShareUpdateExclusive } else { AccessExclusive };
            others.extend(part(partition, AccessExclusive, Work::Instant));
            if !partition.concurrent {
                others.push(Lock { on: On::DefaultOf(name.clone()), mode: AccessExclusive, work: Work::Instant });
            }
            (mode, Work::Instant)
        }
        (Type::AtDetachPartitionFinalize, Some(NodeEnum::PartitionCmd(partition))) => {
            others.extend(part(partition, AccessExclusive, Work::Instant));
            (ShareUpdateExclusive, Work::Instant)
        }
        (
            Type::AtSetStatistics
            | Type::AtSetOptions
            | Type::AtResetOptions
            | Type::AtClusterOn
            | Type::AtDropCluster
            | Type::AtSetRelOptions
            | Type::AtResetRelOptions,
            _,
        ) => (ShareUpdateExclusive, Work::Instant),
        (
            Type::AtEnableTrig
            | Type::AtEnableAlwaysTrig
            | Type::AtEnableReplicaTrig
            | Type::AtEnableTrigAll
            | Type::AtEnableTrigUser
            | Type::AtDisableTrig
            | Type::AtDisableTrigAll
            | Type::AtDisableTrigUser,
            _,
        ) => (ShareRowExclusive, Work::Instant),
        _ => (AccessExclusive, Work::Instant),
    }
}

fn part(partition: &PartitionCmd, mode: Mode, work: Work) -> Option<Lock> {
    partition.name.as_ref().map(|name| on(&Name::of(name), mode, work))
}

/// A default that is the same for all rows is kept once; any other is written into each.
fn new_column(column: &ColumnDef, others: &mut Vec<Lock>) -> Work {
    let mut work = Work::Instant;
    let constraints: Vec<&Constraint> = column
        .constraints
        .iter()
        .filter_map(
            |node| if let Some(NodeEnum::Constraint(constraint)) = &node.node { Some(&**constraint) } else { None },
        )
        .collect();
    let has_default = constraints.iter().any(|constraint| constraint.contype() == ConstrType::ConstrDefault);
    for constraint in constraints {
        work = work.max(match constraint.contype() {
            ConstrType::ConstrDefault if is_volatile(constraint.raw_expr.as_deref()) => Work::Rewrite,
            ConstrType::ConstrGenerated | ConstrType::ConstrIdentity => Work::Rewrite,
            ConstrType::ConstrPrimary | ConstrType::ConstrUnique => Work::Index,
            ConstrType::ConstrCheck => Work::Scan,
            ConstrType::ConstrNotnull if !has_default => Work::Scan,
            ConstrType::ConstrForeign => {
                others.extend(referenced(constraint, ShareRowExclusive));
                Work::Scan
            }
            _ => Work::Instant,
        });
    }
    let serial = column.type_name.as_ref().is_some_and(|name| tree::type_name(name).ends_with("serial"));
    if serial { Work::Rewrite } else { work }
}

fn is_volatile(default: Option<&Node>) -> bool {
    default.is_some_and(|default| volatile_function(&tree::expression(default)).is_some())
}

fn added(constraint: &Constraint, table: Option<&Table>, others: &mut Vec<Lock>) -> (Mode, Work) {
    let unless_valid = |work: Work| if constraint.skip_validation { Work::Instant } else { work };
    match constraint.contype() {
        ConstrType::ConstrForeign => {
            others.extend(referenced(constraint, ShareRowExclusive));
            (ShareRowExclusive, unless_valid(Work::Scan))
        }
        ConstrType::ConstrPrimary if !constraint.indexname.is_empty() => {
            // Columns that may be null are looked through.
            let columns = tree::strings(&constraint.keys);
            let known = table.is_some_and(|table| {
                !columns.is_empty() && columns.iter().all(|c| table.columns.get(c).is_some_and(|c| c.not_null))
            });
            (AccessExclusive, if known { Work::Instant } else { Work::Scan })
        }
        ConstrType::ConstrUnique if !constraint.indexname.is_empty() => (AccessExclusive, Work::Instant),
        ConstrType::ConstrPrimary | ConstrType::ConstrUnique | ConstrType::ConstrExclusion => {
            (AccessExclusive, Work::Index)
        }
        _ => (AccessExclusive, unless_valid(Work::Scan)),
    }
}

/// Whether a validated constraint says that a column has no null.
fn is_proved(table: &Table, column: &str) -> bool {
    let says = [format!("{column} IS NOT NULL"), format!("\"{column}\" IS NOT NULL")];
    table.columns.get(column).is_some_and(|column| column.not_null)
        || table.constraints.values().any(|constraint| {
            constraint.validated
                && matches!(&constraint.kind, Kind::Check(text) if !text.contains(" OR ")
                    && text.split(" AND ").any(|part| says.iter().any(|says| says == part)))
        })
}

/// Another type writes every row again, unless the old values are valid as they stand.
fn retyped(old: Option<&str>, column: &ColumnDef) -> Work {
    let (Some(old), Some(new)) = (old, column.type_name.as_ref().map(tree::type_name)) else { return Work::Rewrite };
    if column.raw_default.is_some() {
        return Work::Rewrite;
    }
    let (old_name, old_limit) = limit(old);
    let (new_name, new_limit) = limit(&new);
    let wider = match (old_limit, new_limit) {
        (_, None) => true,
        (Some(old), Some(new)) => old <= new,
        (None, Some(_)) => false,
    };
    match (old_name, new_name) {
        ("varchar", "text") | ("text", "varchar") if new_limit.is_none() => Work::Instant,
        ("varchar", "varchar") | ("varbit", "varbit") if wider => Work::Instant,
        ("cidr", "inet") => Work::Instant,
        (old, new) if old == new && old_limit == new_limit => Work::Instant,
        _ => Work::Rewrite,
    }
}

/// A type's name, and its length where it has one.
fn limit(text: &str) -> (&str, Option<u32>) {
    match text.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.trim_end_matches(')').trim().parse().ok()),
        None => (text, None),
    }
}
