//! Tables, their columns and their constraints.

use std::collections::BTreeMap;

use super::name::Name;

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) columns: BTreeMap<String, Column>,
    pub(crate) constraints: BTreeMap<String, Constraint>,
    /// Triggers by name, and the statements that made them.
    pub(crate) triggers: BTreeMap<String, String>,
    /// Storage parameters, row security, replica identity and the like.
    pub(crate) settings: BTreeMap<String, String>,
    /// How it is partitioned, if it is.
    pub(crate) partitioned: Option<String>,
    /// What it is a partition of.
    pub(crate) parent: Option<Parent>,
    /// What it is to the fleet.
    pub(crate) declared: Option<Declared>,
    /// Whether it lasts no longer than its session.
    pub(crate) temporary: bool,
    /// Where it was made.
    pub(crate) made: Made,
}

/// A partition's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) table: Name,
    /// Its bounds.
    pub(crate) bounds: String,
    pub(crate) is_default: bool,
}

/// What a table was declared as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    /// Sharded by this column.
    Sharded(String),
    /// A reference table, or local.
    Other(String),
}

/// The statement that made a thing. Two things are no less the same when they were made elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Made {
    /// The script's number.
    pub(crate) script: usize,
    /// The statement's number in it.
    pub(crate) statement: usize,
}

impl PartialEq for Made {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Made {}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its type.
    pub(crate) type_name: String,
    /// Whether it takes no null.
    pub(crate) not_null: bool,
    /// Its default.
    pub(crate) default: Option<String>,
    /// `ALWAYS` or `BY DEFAULT` of an identity.
    pub(crate) identity: Option<String>,
    /// The expression that it is generated from.
    pub(crate) generated: Option<String>,
    /// Its collation, storage, compression and statistics, where they aren't the default.
    pub(crate) settings: BTreeMap<String, String>,
}

/// A constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Constraint {
    pub(crate) kind: Kind,
    /// The columns that it is about.
    pub(crate) columns: Vec<String>,
    /// Whether the rows that were there before are known to obey.
    pub(crate) validated: bool,
    /// All else about it, in one spelling.
    pub(crate) rest: String,
}

/// What kind of constraint it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Primary,
    Unique,
    Check(String),
    /// To a table, and its columns where they are named.
    Foreign(Name, Vec<String>),
    Exclusion,
}

impl Kind {
    /// Whether it holds only as far as one shard sees.
    pub(crate) fn needs_key(&self) -> Option<&'static str> {
        match self {
            Self::Primary => Some("PRIMARY KEY"),
            Self::Unique => Some("UNIQUE"),
            Self::Exclusion => Some("EXCLUDE"),
            Self::Check(_) | Self::Foreign(..) => None,
        }
    }
}

impl Table {
    /// The primary key.
    pub(crate) fn primary_key(&self) -> Option<&Constraint> {
        self.constraints.values().find(|constraint| constraint.kind == Kind::Primary)
    }

    /// A name for something that was given none, as PostgreSQL chooses it.
    pub(crate) fn free_name(&self, table: &str, columns: &[String], label: &str) -> String {
        free_name(table, columns, label, |name| self.constraints.contains_key(name))
    }
}

/// `table_columns_label`, shortened to what a name may be, with a number where it is taken.
pub(crate) fn free_name(table: &str, columns: &[String], label: &str, taken: impl Fn(&str) -> bool) -> String {
    for number in 0..1000_usize {
        let label = if number == 0 { label.to_owned() } else { format!("{label}{number}") };
        let name = object_name(table, &columns.join("_"), &label);
        if !taken(&name) {
            return name;
        }
    }
    object_name(table, "", label)
}

/// PostgreSQL's `makeObjectName`: the longer of both parts gives way.
pub(crate) fn object_name(table: &str, columns: &str, label: &str) -> String {
    const LIMIT: usize = 63;
    let overhead = label.len() + 1 + usize::from(!columns.is_empty());
    let room = LIMIT.saturating_sub(overhead);
    let (mut first, mut second) = (table.len(), columns.len());
    while first + second > room {
        if first > second { first -= 1 } else { second -= 1 }
    }
    let cut = |text: &str, mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text[..at].to_owned()
    };
    let (table, columns) = (cut(table, first), cut(columns, second));
    if columns.is_empty() { format!("{table}_{label}") } else { format!("{table}_{columns}_{label}") }
}
