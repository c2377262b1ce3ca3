//! Indexes.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{IndexStmt, Node};

use super::name::Name;
use super::table::free_name;
use super::{Catalogue, Effect, tree};

/// An index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) table: Name,
    pub(crate) unique: bool,
    /// Its key columns; expressions as text.
    pub(crate) columns: Vec<String>,
    /// All else about it.
    pub(crate) rest: String,
}

impl Catalogue {
    pub(super) fn create_index(&mut self, statement: &IndexStmt, done: &mut Vec<Effect>) {
        let Some(relation) = &statement.relation else { return };
        let table = Name::of(relation);
        let columns = columns(&statement.index_params);
        let name = if statement.idxname.is_empty() {
            let words: Vec<String> = columns.iter().map(|column| plain(column)).collect();
            free_name(&table.name, &words, "idx", |name| self.indexes.contains_key(&table.sibling(name)))
        } else {
            statement.idxname.clone()
        };
        let name = table.sibling(name);
        if statement.if_not_exists && self.indexes.contains_key(&name) {
            return;
        }
        let mut rest = statement.clone();
        rest.concurrent = false;
        rest.if_not_exists = false;
        rest.idxname.clone_from(&name.name);
        let index = Index {
            table,
            unique: statement.unique,
            columns,
            rest: tree::statement(&NodeEnum::IndexStmt(Box::new(rest))),
        };
        self.indexes.insert(name.clone(), Arc::new(index));
        done.push(Effect::IndexMade(name));
    }
}

fn columns(params: &[Node]) -> Vec<String> {
    params
        .iter()
        .filter_map(|param| match &param.node {
            Some(NodeEnum::IndexElem(element)) if !element.name.is_empty() => Some(element.name.clone()),
            Some(NodeEnum::IndexElem(element)) => element.expr.as_ref().map(|expr| tree::expression(expr)),
            _ => None,
        })
        .collect()
}

/// A column's part of an index's name; PostgreSQL names an expression after its function.
fn plain(column: &str) -> String {
    match column.split_once('(') {
        None => column.to_owned(),
        Some(("", _)) => "expr".to_owned(),
        Some((function, _)) => function.trim().to_owned(),
    }
}
