//! Findings that the script's author has looked at: `-- flotilla-ignore rule[, rule] reason`, and
//! squawk's `-- squawk-ignore rule`.

use std::ops::Range;

use flotilla::ignore::rules_and_reason;
use pg_query::protobuf::Token;

use super::prepared::Statement;

/// A comment that takes findings away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ignore {
    /// Where it is.
    pub(crate) range: Range<usize>,
    /// The rules that it names; for squawk's, none means all.
    pub(crate) rules: Vec<String>,
    /// Why, in the author's words.
    pub(crate) reason: String,
    /// What it is about.
    pub(crate) scope: Scope,
    /// Whether it is squawk's, and so takes only squawk's findings away.
    pub(crate) squawk: bool,
}

/// How far a comment reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A statement, by its number.
    Statement(usize),
    /// The line that it is on, and the next one: from here to there.
    Lines(usize, usize),
    /// The whole file.
    File,
    /// Nothing: no statement follows.
    Nothing,
}

const OWN: &str = "flotilla-ignore";
const SQUAWK: &str = "squawk-ignore";
const SQUAWK_FILE: &str = "squawk-ignore-file";

/// All of them in a script.
pub(crate) fn find(sql: &str, statements: &[Statement]) -> Vec<Ignore> {
    if !sql.contains(OWN) && !sql.contains(SQUAWK) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut from = 0;
    for statement in statements {
        comments(sql, from..statement.range.end, Some(statement), &mut found);
        from = statement.behind();
    }
    let behind = found.len();
    comments(sql, from..sql.len(), None, &mut found);
    if statements.is_empty() {
        // Nothing but comments: they are about the script as a whole.
        for ignore in &mut found[behind..] {
            ignore.scope = Scope::File;
        }
    }
    found
}

/// The comments of a statement, those in front of it too.
fn comments(sql: &str, range: Range<usize>, statement: Option<&Statement>, found: &mut Vec<Ignore>) {
    // A comment behind the semicolon of the statement before is on that statement's line.
    let Ok(tokens) = pg_query::scan_tokens(&sql[range.clone()]) else { return };
    for token in tokens {
        if !matches!(token.token(), Token::SqlComment | Token::CComment) {
            continue;
        }
        let (Ok(start), Ok(end)) = (usize::try_from(token.start), usize::try_from(token.end)) else { continue };
        let place = range.start + start..range.start + end;
        let Some(body) = body(&sql[place.clone()]) else { continue };
        found.extend(parse(body, place, sql, statement));
    }
}

fn body(comment: &str) -> Option<&str> {
    let body = match comment.strip_prefix("--") {
        Some(line) => line,
        None => comment.strip_prefix("/*")?.strip_suffix("*/")?,
    };
    Some(body.trim())
}

fn parse(body: &str, range: Range<usize>, sql: &str, statement: Option<&Statement>) -> Option<Ignore> {
    if let Some(rest) = body.strip_prefix(OWN) {
        let (rules, reason) = rules_and_reason(rest);
        let scope = statement.map_or(Scope::Nothing, |statement| Scope::Statement(statement.number));
        return Some(Ignore { range, rules, reason, scope, squawk: false });
    }
    let (rest, file) = match body.strip_prefix(SQUAWK_FILE) {
        Some(rest) => (rest, true),
        None => (body.strip_prefix(SQUAWK)?, false),
    };
    let rest = rest.split("--").next().unwrap_or_default();
    let rules = rest.split(',').map(str::trim).filter(|rule| !rule.is_empty()).map(str::to_owned).collect();
    let scope = if file {
        Scope::File
    } else {
        let start = sql[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = |from: usize| sql[from..].find('\n').map_or(sql.len(), |at| from + at + 1);
        Scope::Lines(start, line_end(line_end(range.start).min(sql.len())))
    };
    Some(Ignore { range, rules, reason: String::new(), scope, squawk: true })
}

impl Ignore {
    /// Whether it takes this finding away.
    pub(crate) fn covers(&self, rule: &str, squawk: bool, at: usize, statement: Option<usize>) -> bool {
        if self.squawk && !squawk {
            return false;
        }
        let named = self.rules.iter().any(|known| known == rule)
            || (self.squawk && self.rules.is_empty() && self.scope == Scope::File);
        named
            && match self.scope {
                Scope::Statement(number) => statement == Some(number),
                Scope::Lines(start, end) => (start..end).contains(&at),
                Scope::File => true,
                Scope::Nothing => false,
            }
    }
}
