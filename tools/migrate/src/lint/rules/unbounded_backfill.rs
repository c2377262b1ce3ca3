//! Changing many rows while DDL holds its locks.

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, Token};

use crate::lint::finding::Severity;
use crate::lint::model::{Name, tree};
use crate::lint::prepared::Prepared;
use crate::lint::rule::{At, Check, Found, Rule};

pub(super) const RULE: Rule = Rule {
    name: "unbounded-backfill",
    severity: Severity::Warning,
    why: "The locks of the script's DDL are held until all rows are changed, and the rows' locks until the end.",
    mend: "Change the rows in a script of their own, in batches.",
    check: Check::Statement(check),
};

fn check(at: &At<'_>, found: &mut Found) {
    let (what, relation, condition) = match &at.statement.node {
        Some(NodeEnum::UpdateStmt(update)) => ("UPDATE", &update.relation, &update.where_clause),
        Some(NodeEnum::DeleteStmt(delete)) => ("DELETE", &delete.relation, &delete.where_clause),
        _ => return,
    };
    let Some(table) = relation.as_ref().map(Name::of) else { return };
    if at.script.in_transaction && has_ddl(at.script) && !at.is_fresh(&table) && !is_bounded(condition.as_deref()) {
        found.here(at, format!("{what} of all that is in table {table}, in one transaction with DDL"));
    }
}

fn has_ddl(script: &Prepared<'_>) -> bool {
    script.statements.iter().any(super::super::prepared::Statement::is_ddl)
}

/// Whether a condition compares something with a constant.
fn is_bounded(condition: Option<&Node>) -> bool {
    let Some(condition) = condition else { return false };
    let text = tree::expression(condition);
    let Ok(tokens) = pg_query::scan_tokens(&text) else { return false };
    let compares = tokens.iter().any(|token| {
        matches!(
            token.token(),
            Token::Ascii60
                | Token::Ascii61
                | Token::Ascii62
                | Token::LessEquals
                | Token::GreaterEquals
                | Token::InP
                | Token::Between
        )
    });
    compares
        && tokens
            .iter()
            .any(|token| matches!(token.token(), Token::Iconst | Token::Fconst | Token::Sconst | Token::Limit))
}
