//! Two catalogues compared: what an undo has left, what it has lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::name::Name;
use super::table::Table;
use super::{Catalogue, What};

impl Catalogue {
    /// What differs, as phrases, from `wanted`, the schema as it should be again.
    pub(crate) fn differences(&self, wanted: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for name in keys(&self.tables, &wanted.tables) {
            match (self.tables.get(name), wanted.tables.get(name)) {
                (Some(_), None) => found.push(format!("table {name} is left")),
                (None, Some(_)) => found.push(format!("table {name} is missing")),
                (Some(is), Some(want)) if !Arc::ptr_eq(is, want) => tables(name, is, want, &mut found),
                _ => {}
            }
        }
        compare(&self.indexes, &wanted.indexes, |name| format!("index {name}"), &mut found);
        compare(&self.others, &wanted.others, |(what, name)| label(*what, name), &mut found);
        found
    }
}

fn label(what: What, name: &Name) -> String {
    if what == What::Comment { "a comment".to_owned() } else { format!("{what} {name}") }
}

fn tables(name: &Name, is: &Table, want: &Table, found: &mut Vec<String>) {
    compare(&is.columns, &want.columns, |column| format!("column {column} of table {name}"), found);
    compare(&is.constraints, &want.constraints, |label| format!("constraint {label} of table {name}"), found);
    compare(&is.triggers, &want.triggers, |label| format!("trigger {label} of table {name}"), found);
    compare(&is.settings, &want.settings, |label| format!("setting \"{label}\" of table {name}"), found);
    if is.parent != want.parent {
        found.push(format!("table {name} is a partition of {}", place(want, is)));
    }
    if is.partitioned != want.partitioned {
        found.push(format!("table {name} is partitioned otherwise"));
    }
    if is.declared != want.declared {
        found.push(format!("table {name} is declared otherwise"));
    }
}

fn place(want: &Table, is: &Table) -> String {
    let said = |table: &Table| table.parent.as_ref().map_or_else(|| "nothing".to_owned(), |p| p.table.to_string());
    format!("{}, not of {}", said(is), said(want))
}

fn compare<K: Ord, V: PartialEq>(
    is: &BTreeMap<K, V>,
    want: &BTreeMap<K, V>,
    label: impl Fn(&K) -> String,
    found: &mut Vec<String>,
) {
    for key in keys(is, want) {
        match (is.get(key), want.get(key)) {
            (Some(_), None) => found.push(format!("{} is left", label(key))),
            (None, Some(_)) => found.push(format!("{} is missing", label(key))),
            (Some(is), Some(want)) if is != want => found.push(format!("{} is another", label(key))),
            _ => {}
        }
    }
}

/// The keys of both, in order.
fn keys<'a, K: Ord, V>(one: &'a BTreeMap<K, V>, other: &'a BTreeMap<K, V>) -> std::collections::BTreeSet<&'a K> {
    one.keys().chain(other.keys()).collect()
}
