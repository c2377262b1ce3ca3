//! Statements: a script taken apart as psql would, and what PostgreSQL's own grammar says of each.

mod class;
mod lexer;
#[cfg(test)]
mod tests;

use std::ops::Range;

use pg_query::NodeEnum;

pub use self::class::{Catalogue, Class, Concurrent, Global, Name};
use self::lexer::Lexer;

/// One statement of a script.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Where it is in the script, without its semicolon.
    pub range: Range<usize>,
    /// The line that it begins on, from 1.
    pub line: usize,
    /// The data of a `COPY … FROM STDIN`, without the line that ends it.
    pub data: Option<Range<usize>>,
    /// What it is.
    pub class: Class,
}

impl Statement {
    /// Its text in the script that it was taken from.
    pub fn text<'a>(&self, sql: &'a str) -> &'a str {
        &sql[self.range.clone()]
    }

    /// Its text on one line and not longer than this many characters, for messages.
    pub fn excerpt(&self, sql: &str, limit: usize) -> String {
        let words: Vec<&str> = self.text(sql).split_whitespace().collect();
        let line = words.join(" ");
        match line.char_indices().nth(limit) {
            Some((cut, _)) => format!("{}…", &line[..cut]),
            None => line,
        }
    }
}

/// The statements of a script. What the grammar doesn't know is kept, for the server to judge.
pub fn split(sql: &str) -> Vec<Statement> {
    split_parsed(sql).into_iter().map(|(statement, _)| statement).collect()
}

/// The same with each statement's tree, for whoever looks into them.
pub(crate) fn split_parsed(sql: &str) -> Vec<(Statement, Option<NodeEnum>)> {
    let mut lexer = Lexer::new(sql);
    let mut statements = Vec::new();
    let mut counted = 0;
    let mut line = 1;
    while let Some(span) = lexer.next() {
        line += newlines(&sql[counted..span.start]);
        counted = span.start;
        // A statement without semicolon ends where its last word does.
        let text = sql[span.start..span.end].trim_end();
        let range = span.start..span.start + text.len();
        let node = class::parse(text);
        let class = node.as_ref().map_or(Class::Unknown, class::of_node);
        let mut data = None;
        if class == Class::CopyIn && span.terminated {
            let found = copy_data(sql, lexer.position());
            lexer.jump(found.after);
            data = Some(found.data);
        }
        statements.push((Statement { range, line, data, class }, node));
    }
    statements
}

/// Lines as people count them: a line feed, a carriage return, or both together.
fn newlines(text: &str) -> usize {
    text.matches('\n').count() + text.matches('\r').count() - text.matches("\r\n").count()
}

struct CopyData {
    data: Range<usize>,
    after: usize,
}

/// The lines behind a COPY up to one that is `\.` alone, or to the end.
fn copy_data(sql: &str, from: usize) -> CopyData {
    let start = sql[from..].find('\n').map_or(sql.len(), |at| from + at + 1);
    let mut at = start;
    while at < sql.len() {
        let end = sql[at..].find('\n').map_or(sql.len(), |length| at + length);
        let next = (end + 1).min(sql.len());
        if sql[at..end].trim_end_matches('\r') == r"\." {
            return CopyData { data: start..at, after: next };
        }
        at = next;
    }
    CopyData { data: start..sql.len(), after: sql.len() }
}
