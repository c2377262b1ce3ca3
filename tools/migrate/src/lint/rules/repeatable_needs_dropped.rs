//! Repeatable scripts that use what a version has dropped.

use std::collections::BTreeSet;

use pg_query::protobuf::Token;
use pg_query::{NodeEnum, NodeRef};

use crate::lint::finding::Severity;
use crate::lint::model::{Catalogue, Name};
use crate::lint::prepared::{Prepared, Statement};
use crate::lint::rule::{Check, Found, Rule};
use crate::lint::walk::{Gone, World};
use flotilla::migrations::scripts::Kind;

pub(super) const RULE: Rule = Rule {
    name: "repeatable-needs-dropped",
    severity: Severity::Error,
    why: "Repeatable scripts run after all versions, and this one needs something that a version has dropped.",
    mend: "Change the repeatable script together with the version that drops it.",
    check: Check::Set(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let Some(schema) = world.ends.first() else { return };
    for script in world.scripts.iter().filter(|script| script.script.kind == Kind::Repeatable) {
        for statement in &script.statements {
            statement_in(world, schema, script, statement, found);
        }
    }
}

fn statement_in(
    world: &World<'_>,
    schema: &Catalogue,
    script: &Prepared<'_>,
    statement: &Statement,
    found: &mut Found,
) {
    let Some(node) = &statement.node else { return };
    // What it drops itself, it doesn't need.
    if matches!(node, NodeEnum::DropStmt(_)) {
        return;
    }
    let read: BTreeSet<Name> = node
        .nodes()
        .into_iter()
        .filter_map(|(node, ..)| match node {
            NodeRef::RangeVar(relation) => Some(Name::of(relation)),
            _ => None,
        })
        .collect();
    let words = words(script.sql(statement));
    for (gone, by) in &world.gone {
        let what = match gone {
            Gone::Relation(name) if schema.tables.contains_key(name) => continue,
            Gone::Relation(name) if read.contains(name) || is_in_body(node, &words, &name.name) => format!("{name}"),
            Gone::Column(table, column) if uses(schema, node, &read, &words, table, column) => {
                format!("column {column} of {table}")
            }
            Gone::Routine(name)
                if words.contains(name.name.split('(').next().unwrap_or_default()) && !is_made(node, name) =>
            {
                format!("{name}")
            }
            _ => continue,
        };
        let by = &world.scripts[*by].script.script;
        found.add(script.number, statement.range.clone(), format!("{what} was dropped by {by}"));
    }
}

/// Whether a statement over the table names the column, and no other table that it reads has one.
fn uses(
    schema: &Catalogue,
    node: &NodeEnum,
    read: &BTreeSet<Name>,
    words: &BTreeSet<String>,
    table: &Name,
    column: &str,
) -> bool {
    let reads = read.contains(table) || is_in_body(node, words, &table.name);
    let elsewhere = schema.tables.iter().any(|(name, definition)| {
        let other = read.contains(name) || is_in_body(node, words, &name.name);
        other && definition.columns.contains_key(column)
    });
    reads && words.contains(column) && !elsewhere
}

/// A routine's body is a text to the parser; its words are all that is known of it.
fn is_in_body(node: &NodeEnum, words: &BTreeSet<String>, name: &str) -> bool {
    matches!(node, NodeEnum::CreateFunctionStmt(_)) && words.contains(name)
}

fn is_made(node: &NodeEnum, name: &Name) -> bool {
    match node {
        NodeEnum::CreateFunctionStmt(make) => {
            let own = crate::lint::model::tree::strings(&make.funcname);
            own.last().is_some_and(|own| name.name.split('(').next() == Some(own))
        }
        _ => false,
    }
}

/// Every name in a text of SQL, also in the bodies of its routines.
fn words(sql: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let Ok(tokens) = pg_query::scan_tokens(sql) else { return found };
    for token in tokens {
        let (Ok(start), Ok(end)) = (usize::try_from(token.start), usize::try_from(token.end)) else { continue };
        let Some(text) = sql.get(start..end) else { continue };
        match token.token() {
            Token::Sconst if text.starts_with('$') => {
                let body = text.trim_start_matches('$').split_once('$').map_or(text, |(_, body)| body);
                let body = if text.starts_with("$$") { text.trim_matches('$') } else { body };
                found.extend(
                    body.split(|c: char| !c.is_alphanumeric() && c != '_')
                        .filter(|w| !w.is_empty())
                        .map(str::to_lowercase),
                );
            }
            Token::SqlComment | Token::CComment | Token::Sconst => {}
            _ => {
                found.insert(match text.strip_prefix('"') {
                    Some(quoted) => quoted.trim_end_matches('"').replace("\"\"", "\""),
                    None => text.to_lowercase(),
                });
            }
        }
    }
    found
}
