//! A script made ready to be looked at: replaced, split, parsed, its comments read.

use std::ops::Range;

use pg_query::NodeEnum;
use pg_query::protobuf::{Token, VariableSetStmt};

use super::ignore::{self, Ignore};
use super::text::Text;
use crate::statements::{self, Class};
use flotilla::migrations::scripts::{Kind, Placeholders, Script};

/// A script made ready.
#[derive(Debug)]
pub(crate) struct Prepared<'a> {
    /// Its place among all scripts.
    pub(crate) number: usize,
    pub(crate) script: &'a Script,
    pub(crate) text: Text,
    pub(crate) statements: Vec<Statement>,
    pub(crate) ignores: Vec<Ignore>,
    /// Whether it runs in one transaction.
    pub(crate) in_transaction: bool,
}

/// One statement.
#[derive(Debug)]
pub(crate) struct Statement {
    /// Its place in the script.
    pub(crate) number: usize,
    /// Where it is in the SQL.
    pub(crate) range: Range<usize>,
    /// What it is; none where the grammar doesn't know it.
    pub(crate) node: Option<NodeEnum>,
    /// What it is for the one who runs it.
    pub(crate) class: Class,
    /// The data of a COPY, with the line that ends them.
    data: Option<Range<usize>>,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(number: usize, script: &'a Script, placeholders: &Placeholders) -> Self {
        let text = Text::of(script, placeholders);
        let statements: Vec<Statement> = statements::split_parsed(&text.sql)
            .into_iter()
            .enumerate()
            .map(|(number, (found, node))| Statement {
                number,
                node,
                range: found.range,
                class: found.class,
                data: found.data.map(|data| with_end(&text.sql, data)),
            })
            .collect();
        let in_transaction =
            script.options.in_transaction.unwrap_or_else(|| statements.iter().all(|s| s.class.is_transactional()));
        let ignores = ignore::find(&text.sql, &statements);
        Self { number, script, text, statements, ignores, in_transaction }
    }

    /// The SQL of a statement.
    pub(crate) fn sql(&self, statement: &Statement) -> &str {
        &self.text.sql[statement.range.clone()]
    }

    /// The first statement's place, for what is about the script as a whole.
    pub(crate) fn head(&self) -> Range<usize> {
        self.statements.first().map_or(0..0, |statement| statement.range.clone())
    }

    /// The statement at a place in the SQL, or the next one behind it.
    pub(crate) fn statement_at(&self, at: usize) -> Option<&Statement> {
        self.statements.iter().find(|statement| at < statement.range.end.max(statement.range.start + 1))
    }

    pub(crate) fn is_undo(&self) -> bool {
        matches!(self.script.kind, Kind::Undo(_))
    }

    /// The SQL without the data of COPY.
    pub(crate) fn without_data(&self) -> String {
        let data: Vec<Range<usize>> = self.statements.iter().filter_map(|statement| statement.data.clone()).collect();
        self.text.without(&data)
    }

    /// A statement's text without its data, on one line, shortened.
    pub(crate) fn excerpt(&self, statement: &Statement) -> Option<String> {
        let sql = self.sql(statement);
        let is_rows = matches!(
            statement.node,
            Some(NodeEnum::InsertStmt(_) | NodeEnum::UpdateStmt(_) | NodeEnum::DeleteStmt(_) | NodeEnum::SelectStmt(_))
        );
        let mut shown = String::new();
        let mut last = 0;
        for token in pg_query::scan_tokens(sql).ok()? {
            let (start, end) = (usize::try_from(token.start).ok()?, usize::try_from(token.end).ok()?);
            if shown.chars().count() > LIMIT {
                break;
            }
            if start > last && !shown.is_empty() {
                shown.push(' ');
            }
            last = end;
            match token.token() {
                Token::SqlComment | Token::CComment => {}
                Token::Sconst | Token::Usconst | Token::Bconst | Token::Xconst => shown.push_str("'…'"),
                Token::Iconst | Token::Fconst if is_rows => shown.push('?'),
                _ => shown.push_str(sql.get(start..end)?),
            }
        }
        Some(match shown.char_indices().nth(LIMIT) {
            Some((cut, _)) => format!("{}…", shown[..cut].trim_end()),
            None => shown.trim_end().to_owned(),
        })
    }
}

/// Longer statements are cut, in characters.
const LIMIT: usize = 100;

impl Statement {
    /// Where what follows it begins.
    pub(crate) fn behind(&self) -> usize {
        self.data.as_ref().map_or(self.range.end, |data| data.end)
    }

    /// Whether it changes the schema.
    pub(crate) fn is_ddl(&self) -> bool {
        !matches!(
            &self.node,
            None | Some(
                NodeEnum::SelectStmt(_)
                    | NodeEnum::InsertStmt(_)
                    | NodeEnum::UpdateStmt(_)
                    | NodeEnum::DeleteStmt(_)
                    | NodeEnum::MergeStmt(_)
                    | NodeEnum::CopyStmt(_)
                    | NodeEnum::VariableSetStmt(VariableSetStmt { .. })
                    | NodeEnum::TransactionStmt(_)
                    | NodeEnum::DoStmt(_)
                    | NodeEnum::CallStmt(_)
                    | NodeEnum::LockStmt(_)
            )
        )
    }
}

/// The data and the line behind them.
fn with_end(sql: &str, data: Range<usize>) -> Range<usize> {
    let end = sql[data.end..].find('\n').map_or(sql.len(), |at| data.end + at);
    data.start..end
}
