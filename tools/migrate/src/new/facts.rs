//! What the scripts tell of the tables that a pattern is about.

use std::collections::BTreeMap;
use std::sync::Arc;

use flotilla::config::Config;
use minijinja::Value;

use super::value::{Elements, Named, identifier};
use crate::lint::{Catalogue, Column, Name, Table};

/// The schema as the scripts make it, and what has been given so far.
#[derive(Debug)]
pub(super) struct Facts {
    schema: Catalogue,
    key_type: String,
    given: BTreeMap<&'static str, Value>,
}

impl Facts {
    /// With nothing given yet.
    pub(super) fn new(schema: Catalogue, config: Option<&Config>) -> Self {
        let key_type = config.map_or("bigint", |config| config.cluster.key_type.name());
        Self { schema, key_type: key_type.to_owned(), given: BTreeMap::new() }
    }

    /// Takes what is given, or what takes its place.
    pub(super) fn take(&mut self, name: &'static str, value: Value) {
        self.given.insert(name, value);
    }

    /// What has been given.
    pub(super) fn given(&self) -> &BTreeMap<&'static str, Value> {
        &self.given
    }

    /// A name that was given.
    pub(super) fn name(&self, of: &str) -> Option<Arc<Named>> {
        self.given.get(of)?.downcast_object::<Named>()
    }

    /// The names in a list that was given.
    pub(super) fn names(&self, of: &str) -> Vec<String> {
        let Some(value) = self.given.get(of) else { return Vec::new() };
        if let Some(elements) = value.downcast_object_ref::<Elements>() {
            return elements.words.clone();
        }
        let items = value.try_iter().into_iter().flatten();
        items.filter_map(|item| item.downcast_object::<Named>().map(|named| named.name.clone())).collect()
    }

    /// Whether it was given as true.
    pub(super) fn is_true(&self, of: &str) -> bool {
        self.given.get(of).is_some_and(Value::is_true)
    }

    /// Whether a word was given so.
    pub(super) fn is(&self, of: &str, what: &str) -> bool {
        self.given.get(of).is_some_and(|value| value.to_string() == what)
    }

    /// The text that was given.
    pub(super) fn text(&self, of: &str) -> Option<String> {
        self.given.get(of).map(ToString::to_string)
    }

    fn place(&self, of: &str) -> Option<Name> {
        Name::of_text(&self.name(of)?.to_string())
    }

    /// The table that was given, if the scripts made it.
    pub(super) fn table(&self, of: &str) -> Option<&Table> {
        self.schema.tables.get(&self.place(of)?).map(|table| &**table)
    }

    /// The column that was given, if the scripts made it.
    pub(super) fn column(&self) -> Option<&Column> {
        self.table("table")?.columns.get(&self.name("column")?.name)
    }

    /// The shard key of the table.
    pub(super) fn shard_key(&self) -> Option<&str> {
        self.schema.key(&self.place("table")?)
    }

    /// The primary key of a table, as SQL.
    pub(super) fn primary_key(&self, of: &str) -> Option<String> {
        let columns = &self.table(of)?.primary_key()?.columns;
        Some(columns.iter().map(|column| identifier(column)).collect::<Vec<_>>().join(", "))
    }

    /// The leaves of a partitioned table, as SQL.
    pub(super) fn partitions(&self) -> Option<String> {
        let table = self.place("table")?;
        let mut leaves = Vec::new();
        self.leaves(&table, &mut leaves);
        (!leaves.is_empty()).then(|| leaves.join(", "))
    }

    fn leaves(&self, table: &Name, found: &mut Vec<String>) {
        for (name, partition) in self.schema.partitions(table) {
            if partition.partitioned.is_some() {
                self.leaves(name, found);
            } else {
                let schema = if name.schema == "public" { "" } else { &name.schema };
                found.push(Named::relation(schema, &name.name).to_string());
            }
        }
    }

    /// The bounds of a partition.
    pub(super) fn bounds(&self) -> Option<String> {
        self.table("partition")?.parent.as_ref().map(|parent| parent.bounds.clone())
    }

    /// What templates see of all this.
    pub(super) fn values(&self) -> Value {
        let table = self.table("table");
        let column = self.column();
        let of_column = |get: fn(&Column) -> Option<String>| column.and_then(get);
        Value::from(BTreeMap::from([
            ("partitioned", Value::from(table.is_some_and(|table| table.partitioned.is_some()))),
            ("shard_key", Value::from(self.shard_key().map(identifier))),
            ("key_type", Value::from(self.key_type.clone())),
            ("not_null", Value::from(column.is_some_and(|column| column.not_null))),
            ("default", Value::from(of_column(|column| column.default.clone()))),
            ("type", Value::from(of_column(|column| Some(column.type_name.clone())))),
        ]))
    }
}
