//! The schema as the scripts make it: a catalogue built from parse trees alone, without a server.
//!
//! It knows tables, columns, constraints, indexes, triggers, views, types, routines, sequences and
//! schemas. What it can't follow (rows, rights, DO blocks, calls) leaves a [`Doubt`], so that nothing
//! is taken for fine that was never looked at.

mod alter;
mod create;
mod diff;
mod drop;
mod index;
mod name;
mod rename;
mod table;
pub(crate) mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pg_query::NodeEnum;

pub(crate) use self::index::Index;
pub(crate) use self::name::Name;
pub(crate) use self::table::{Column, Constraint, Declared, Kind, Made, Table, object_name};

/// Everything that the scripts have made so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalogue {
    /// Tables, partitioned ones and partitions too.
    pub(crate) tables: BTreeMap<Name, Arc<Table>>,
    /// Indexes that are no constraint's.
    pub(crate) indexes: BTreeMap<Name, Arc<Index>>,
    /// All else that has a name: kind and name, and how it was made.
    pub(crate) others: BTreeMap<(What, Name), Arc<Other>>,
    /// What can't be followed since the last call of [`Catalogue::forget_doubts`].
    pub(crate) doubts: BTreeSet<Doubt>,
}

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum What {
    View,
    Type,
    Routine,
    Sequence,
    Schema,
    Extension,
    Policy,
    Rule,
    Statistics,
    Publication,
    Comment,
}

/// Something besides tables and indexes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Other {
    /// The statement that made it, in one spelling.
    pub(crate) text: String,
    /// The relations that it reads, for a view; the table that it belongs to, for a policy.
    pub(crate) reads: BTreeSet<Name>,
}

/// Something that was done and can't be followed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Doubt {
    /// The table that it was done to; none where that isn't known.
    pub(crate) table: Option<Name>,
    /// What it was, as a phrase.
    pub(crate) what: String,
}

/// What a statement did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    TableMade(Name),
    TableGone(Name),
    Declared(Name),
    ColumnAdded(Name, String),
    ColumnChanged(Name, String),
    ColumnGone(Name, String),
    ConstraintAdded(Name, String),
    IndexMade(Name),
    OtherGone(What, Name),
}

impl Catalogue {
    /// Does what a statement does.
    pub(crate) fn apply(&mut self, node: &NodeEnum, made: Made) -> Vec<Effect> {
        let mut effects = Vec::new();
        let done = &mut effects;
        match node {
            NodeEnum::CreateStmt(create) => self.create_table(create, made, done),
            NodeEnum::CreateTableAsStmt(create) => self.create_table_as(create, made, done),
            NodeEnum::AlterTableStmt(alter) => self.alter_table(alter, made, done),
            NodeEnum::IndexStmt(index) => self.create_index(index, done),
            NodeEnum::DropStmt(drop) => self.drop(drop, done),
            NodeEnum::RenameStmt(rename) => self.rename(rename, made, done),
            NodeEnum::AlterObjectSchemaStmt(alter) => self.set_schema(alter, made),
            NodeEnum::CreateTrigStmt(trigger) => self.create_trigger(trigger),
            NodeEnum::SelectStmt(_) | NodeEnum::CallStmt(_) => self.call(node, done),
            NodeEnum::CopyStmt(s) if s.is_from => self.doubt(s.relation.as_ref().map(Name::of), "rows are copied in"),
            // These leave the schema as it is.
            NodeEnum::TransactionStmt(_)
            | NodeEnum::VariableSetStmt(_)
            | NodeEnum::VariableShowStmt(_)
            | NodeEnum::LockStmt(_)
            | NodeEnum::VacuumStmt(_)
            | NodeEnum::ReindexStmt(_)
            | NodeEnum::ClusterStmt(_)
            | NodeEnum::CheckPointStmt(_)
            | NodeEnum::ExplainStmt(_)
            | NodeEnum::ConstraintsSetStmt(_)
            | NodeEnum::NotifyStmt(_)
            | NodeEnum::DiscardStmt(_)
            | NodeEnum::RefreshMatViewStmt(_)
            | NodeEnum::CopyStmt(_) => {}
            NodeEnum::InsertStmt(s) => self.doubt(s.relation.as_ref().map(Name::of), "rows are inserted"),
            NodeEnum::UpdateStmt(s) => self.doubt(s.relation.as_ref().map(Name::of), "rows are updated"),
            NodeEnum::DeleteStmt(s) => self.doubt(s.relation.as_ref().map(Name::of), "rows are deleted"),
            NodeEnum::MergeStmt(s) => self.doubt(s.relation.as_ref().map(Name::of), "rows are merged"),
            NodeEnum::TruncateStmt(s) => {
                for relation in &s.relations {
                    if let Some(NodeEnum::RangeVar(relation)) = &relation.node {
                        self.doubt(Some(Name::of(relation)), "rows are truncated");
                    }
                }
            }
            NodeEnum::DoStmt(_) => self.doubt(None, "a DO block runs"),
            NodeEnum::GrantStmt(grant) => self.grant(grant),
            other => {
                if !self.create_other(other) {
                    self.doubt(None, &format!("{} is beyond what lint can follow", keyword(other)));
                }
            }
        }
        effects
    }

    /// Forgets what couldn't be followed, to begin anew.
    pub(crate) fn forget_doubts(&mut self) {
        self.doubts.clear();
    }

    pub(crate) fn doubt(&mut self, table: Option<Name>, what: &str) {
        self.doubts.insert(Doubt { table, what: what.to_owned() });
    }

    /// A table to change; none where the scripts haven't made it.
    pub(crate) fn table_mut(&mut self, name: &Name) -> Option<&mut Table> {
        self.tables.get_mut(name).map(Arc::make_mut)
    }

    /// What a table was declared as, or the partitioned table that it is a part of.
    pub(crate) fn declared(&self, name: &Name) -> Option<&Declared> {
        let table = self.tables.get(name)?;
        match (&table.declared, &table.parent) {
            (None, Some(parent)) => self.declared(&parent.table),
            (declared, _) => declared.as_ref(),
        }
    }

    /// The shard key of a table.
    pub(crate) fn key(&self, name: &Name) -> Option<&str> {
        match self.declared(name)? {
            Declared::Sharded(key) => Some(key),
            Declared::Other(_) => None,
        }
    }

    /// The partitions of a table that the scripts have made.
    pub(crate) fn partitions<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = (&'a Name, &'a Table)> {
        self.tables
            .iter()
            .filter(move |(_, table)| table.parent.as_ref().is_some_and(|parent| parent.table == *name))
            .map(|(name, table)| (name, &**table))
    }

    fn grant(&mut self, grant: &pg_query::protobuf::GrantStmt) {
        let table = grant.objects.first().and_then(|object| match &object.node {
            Some(NodeEnum::RangeVar(relation)) => Some(Name::of(relation)),
            _ => None,
        });
        self.doubt(table, "rights are changed");
    }

    /// Calls of this system's own functions are understood; others may do anything.
    fn call(&mut self, node: &NodeEnum, done: &mut Vec<Effect>) {
        for call in tree::calls(node) {
            let name = tree::strings(&call.funcname);
            let known: Vec<&str> = name.iter().map(String::as_str).collect();
            let argument = |at: usize| call.args.get(at).and_then(tree::text_constant);
            match known.as_slice() {
                ["flotilla", "protect"] => {
                    self.declare(argument(0), argument(1).map(|key| Declared::Sharded(key.to_owned())), done);
                }
                ["flotilla", "declare_table"] => {
                    self.declare(argument(0), argument(1).map(|kind| Declared::Other(kind.to_owned())), done);
                }
                ["flotilla", "unprotect"] => {
                    if let Some(name) = argument(0).and_then(Name::of_text)
                        && let Some(table) = self.table_mut(&name)
                    {
                        table.declared = None;
                    }
                }
                ["flotilla", "swap_fence" | "validate_fence" | "prepare_attach" | "seal_partitions"]
                | ["pg_catalog", "set_config"]
                | ["set_config" | "pg_sleep" | "now" | "version"] => {}
                _ => self.doubt(None, &format!("{}() is called", name.join("."))),
            }
        }
    }

    fn declare(&mut self, table: Option<&str>, declared: Option<Declared>, done: &mut Vec<Effect>) {
        let Some(name) = table.and_then(Name::of_text) else {
            self.doubt(None, "a table is declared whose name isn't a constant");
            return;
        };
        if let Some(table) = self.table_mut(&name) {
            // protect() without a key keeps the one that is known.
            if declared.is_some() {
                table.declared = declared;
            }
            done.push(Effect::Declared(name));
        }
    }
}

/// The name of a statement's kind in the parse tree, as words: what else could be said of it.
fn keyword(node: &NodeEnum) -> String {
    let text = tree::statement(node);
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    words.join(" ")
}
