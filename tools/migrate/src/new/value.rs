//! What a pattern is told, read by PostgreSQL's own grammar: nothing gets into a script that isn't what it
//! is said to be.

use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::Object;
use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableType, KeywordKind, Node, RangeVar, SelectStmt, Token};
use postgres_protocol::escape::escape_literal;

use crate::lint::tree;

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A table, or another relation or type: `users`, `app.users`, `"Users"`.
    Table,
    /// Several of them.
    Tables,
    /// A column or another name.
    Name,
    /// Several of them.
    Names,
    /// A type.
    Type,
    /// An expression.
    Expression,
    /// What an index is made of: columns and expressions, as in CREATE INDEX.
    IndexElements,
    /// Definitions of columns, as in CREATE TABLE.
    Columns,
    /// What UPDATE sets.
    Assignments,
    /// A partition's bounds: `FROM ('2026-01-01') TO ('2026-02-01')`.
    Bounds,
    /// Any text, which becomes a literal.
    Text,
    /// One of some words.
    Word(&'static [&'static str]),
    /// A whole number.
    Number,
    /// `true` or `false`.
    Truth,
}

/// A name as SQL writes it and as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Quoted where it must be, with its schema.
    sql: String,
    /// Its schema with a dot, quoted where it must be; or nothing.
    prefix: String,
    /// The name alone.
    pub(super) name: String,
}

impl Named {
    /// A relation.
    pub(super) fn relation(schema: &str, name: &str) -> Self {
        let prefix = if schema.is_empty() { String::new() } else { format!("{}.", identifier(schema)) };
        Self { sql: format!("{prefix}{}", identifier(name)), prefix, name: name.to_owned() }
    }

    /// A name without schema.
    pub(super) fn bare(name: &str) -> Self {
        Self::relation("", name)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)
    }
}

impl Object for Named {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "name" => Some(Value::from(self.name.clone())),
            "prefix" => Some(Value::from(self.prefix.clone())),
            // Where a schema can't stand.
            "bare" => Some(Value::from(identifier(&self.name))),
            // For arguments of type regclass.
            "literal" => Some(Value::from(escape_literal(&self.sql))),
            // For arguments of type name.
            "text" => Some(Value::from(escape_literal(&self.name))),
            _ => None,
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)
    }
}

/// A name, quoted only where PostgreSQL would.
pub(super) fn identifier(name: &str) -> String {
    let relation =
        RangeVar { relname: name.to_owned(), inh: true, relpersistence: "p".to_owned(), ..RangeVar::default() };
    let select = SelectStmt {
        from_clause: vec![tree::wrap(NodeEnum::RangeVar(relation))],
        limit_option: 1,
        op: 1,
        ..SelectStmt::default()
    };
    let text = tree::statement(&NodeEnum::SelectStmt(Box::new(select)));
    text.rsplit_once("FROM ").map_or_else(|| format!("\"{}\"", name.replace('"', "\"\"")), |(_, name)| name.to_owned())
}

/// Reads a value; what is wrong with it otherwise, as a phrase.
pub(super) fn read(kind: Kind, text: &str) -> Result<Value, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    match kind {
        Kind::Table => relation(text).map(Value::from_object),
        Kind::Tables => each(text, relation),
        Kind::Name => name(text).map(Value::from_object),
        Kind::Names => each(text, name),
        Kind::Type => type_name(text).map(Value::from),
        Kind::Expression => expression(text).map(Value::from),
        Kind::IndexElements => index_elements(text),
        Kind::Columns => columns(text),
        Kind::Assignments => assignments(text),
        Kind::Bounds => bounds(text),
        Kind::Text => Ok(Value::from(escape_literal(text).trim().to_owned())),
        Kind::Word(words) if words.contains(&text) => Ok(Value::from(text)),
        Kind::Word(words) => Err(format!("is none of {}", words.join(", "))),
        Kind::Number => match text.parse::<u32>() {
            Ok(number) if number > 0 => Ok(Value::from(number)),
            _ => Err("is no whole number from 1".to_owned()),
        },
        Kind::Truth => match text {
            "true" | "yes" | "on" => Ok(Value::from(true)),
            "false" | "no" | "off" => Ok(Value::from(false)),
            _ => Err("is neither true nor false".to_owned()),
        },
    }
}

/// The names that an expression mentions, functions aside: what a constraint is named after.
pub(super) fn mentioned(expression: &str) -> Vec<String> {
    let Ok(tokens) = pg_query::scan_tokens(expression) else { return Vec::new() };
    let mut names: Vec<String> = Vec::new();
    for (token, next) in tokens.iter().zip(tokens.iter().skip(1).map(Some).chain([None])) {
        let text = expression.get(usize::try_from(token.start).unwrap_or(0)..usize::try_from(token.end).unwrap_or(0));
        let calls = next.is_some_and(|next| matches!(next.token(), Token::Ascii40 | Token::Ascii46));
        let is_name = token.token() == Token::Ident || token.keyword_kind() == KeywordKind::UnreservedKeyword;
        if let (true, false, Some(text)) = (is_name, calls, text) {
            let name = text.trim_matches('"').to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn each(text: &str, read: fn(&str) -> Result<Named, String>) -> Result<Value, String> {
    let names: Result<Vec<Value>, String> =
        pieces(text)?.into_iter().map(|piece| read(piece).map(Value::from_object)).collect();
    names.map(Value::from)
}

/// What stands between commas, those in parentheses and quotes aside.
fn pieces(text: &str) -> Result<Vec<&str>, String> {
    let tokens = pg_query::scan_tokens(text).map_err(|e| format!("can't be read: {e}"))?;
    let (mut pieces, mut depth, mut from) = (Vec::new(), 0_i32, 0);
    for token in tokens {
        match token.token() {
            Token::Ascii40 | Token::Ascii91 => depth += 1,
            Token::Ascii41 | Token::Ascii93 => depth -= 1,
            Token::Ascii44 if depth == 0 => {
                let at = usize::try_from(token.start).unwrap_or_default();
                pieces.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(text[from..].trim());
    Ok(pieces)
}

/// The one statement that a text is, if it is one.
fn statement(sql: &str) -> Result<NodeEnum, String> {
    let parsed = pg_query::parse(sql, 0).map_err(|e| format!("can't be read: {e}"))?;
    match parsed.protobuf.stmts.as_slice() {
        [one] => one.stmt.as_ref().and_then(|node| node.node.clone()).ok_or_else(|| "is empty".to_owned()),
        _ => Err("is more than one statement".to_owned()),
    }
}

/// The one expression that SELECT would yield, and nothing besides.
fn selected(sql: &str) -> Result<Node, String> {
    let NodeEnum::SelectStmt(select) = statement(sql)? else { return Err("is no expression".to_owned()) };
    let alone = SelectStmt { target_list: select.target_list.clone(), limit_option: 1, op: 1, ..SelectStmt::default() };
    match select.target_list.as_slice() {
        [Node { node: Some(NodeEnum::ResTarget(target)) }]
            if target.name.is_empty()
                && tree::statement(&NodeEnum::SelectStmt(Box::new(alone.clone())))
                    == tree::statement(&NodeEnum::SelectStmt(select.clone())) =>
        {
            target.val.as_deref().cloned().ok_or_else(|| "is no expression".to_owned())
        }
        _ => Err("is no single expression".to_owned()),
    }
}

/// The parts of a dotted name. Behind a dot, PostgreSQL takes its own words as names too.
fn parts(text: &str) -> Result<Vec<String>, String> {
    let node = selected(&format!("SELECT x.{text}")).map_err(|_| "is no name".to_owned())?;
    let Some(NodeEnum::ColumnRef(column)) = node.node else { return Err("is no name".to_owned()) };
    let parts = tree::strings(&column.fields);
    if parts.len() == column.fields.len() { Ok(parts[1..].to_vec()) } else { Err("is no name".to_owned()) }
}

fn relation(text: &str) -> Result<Named, String> {
    match parts(text)?.as_slice() {
        [name] => Ok(Named::bare(name)),
        [schema, name] => Ok(Named::relation(schema, name)),
        _ => Err("is no name of a table".to_owned()),
    }
}

fn name(text: &str) -> Result<Named, String> {
    match parts(text)?.as_slice() {
        [name] => Ok(Named::bare(name)),
        _ => Err("is no single name".to_owned()),
    }
}

fn type_name(text: &str) -> Result<String, String> {
    match selected(&format!("SELECT NULL::{text}"))?.node {
        Some(NodeEnum::TypeCast(cast)) => {
            match (&cast.type_name, cast.arg.as_ref().and_then(|arg| arg.node.as_ref())) {
                (Some(name), Some(NodeEnum::AConst(_))) => {
                    let text = tree::type_name(name);
                    if text.ends_with("serial") {
                        Err(format!("is {text}, which is no type: say the type and its default"))
                    } else {
                        Ok(text)
                    }
                }
                _ => Err("is no type".to_owned()),
            }
        }
        _ => Err("is no type".to_owned()),
    }
}

fn expression(text: &str) -> Result<String, String> {
    selected(&format!("SELECT ({text}\n)")).map(|node| tree::expression(&node))
}

fn index_elements(text: &str) -> Result<Value, String> {
    let NodeEnum::IndexStmt(index) = statement(&format!("CREATE INDEX ON t ({text}\n)"))? else {
        return Err("can't be indexed".to_owned());
    };
    if index.where_clause.is_some() || !index.options.is_empty() || !index.index_including_params.is_empty() {
        return Err("is more than columns and expressions".to_owned());
    }
    let words = index.index_params.iter().filter_map(|element| match &element.node {
        Some(NodeEnum::IndexElem(element)) if !element.name.is_empty() => Some(element.name.clone()),
        Some(NodeEnum::IndexElem(element)) => element.expr.as_deref().map(|expression| {
            let text = tree::expression(expression);
            tree::functions(&text).first().cloned().unwrap_or_else(|| "expr".to_owned())
        }),
        _ => None,
    });
    let words: Vec<String> = words.collect();
    let sql = tree::statement(&NodeEnum::IndexStmt(index));
    // `… USING btree (a, lower(b) DESC)`: what is in the parentheses, in one spelling.
    let inner = sql.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map(|(inner, _)| inner.to_owned());
    Ok(Value::from_object(Elements { sql: inner.unwrap_or_else(|| text.to_owned()), words }))
}

/// A list as SQL, and the words that name what is made of it.
#[derive(Debug)]
pub(super) struct Elements {
    sql: String,
    pub(super) words: Vec<String>,
}

impl Object for Elements {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "words" => Some(Value::from(self.words.clone())),
            _ => None,
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)
    }
}

fn columns(text: &str) -> Result<Value, String> {
    let NodeEnum::CreateStmt(create) = statement(&format!("CREATE TABLE t ({text}\n)"))? else {
        return Err("defines no columns".to_owned());
    };
    if !create.options.is_empty() || create.partspec.is_some() || !create.inh_relations.is_empty() {
        return Err("is more than columns".to_owned());
    }
    let names = create.table_elts.iter().filter_map(|element| match &element.node {
        Some(NodeEnum::ColumnDef(column)) => Some(column.colname.clone()),
        _ => None,
    });
    let words: Vec<String> = names.collect();
    let lines: Vec<String> = pieces(text)?.into_iter().map(str::to_owned).collect();
    Ok(Value::from_object(Elements { sql: lines.join(",\n    "), words }))
}

fn assignments(text: &str) -> Result<Value, String> {
    let NodeEnum::UpdateStmt(update) = statement(&format!("UPDATE t SET {text}"))? else {
        return Err("sets nothing".to_owned());
    };
    if update.where_clause.is_some() || !update.from_clause.is_empty() || update.returning_clause.is_some() {
        return Err("is more than what is set".to_owned());
    }
    let words = update.target_list.iter().filter_map(|target| match &target.node {
        Some(NodeEnum::ResTarget(target)) => Some(target.name.clone()),
        _ => None,
    });
    let words: Vec<String> = words.collect();
    let sql = tree::statement(&NodeEnum::UpdateStmt(update.clone()));
    let sql = sql.split_once(" SET ").map_or(text, |(_, set)| set).to_owned();
    Ok(Value::from_object(Elements { sql, words }))
}

fn bounds(text: &str) -> Result<Value, String> {
    let text = text.strip_prefix("FOR VALUES").map_or(text, str::trim);
    match statement(&format!("ALTER TABLE t ATTACH PARTITION c FOR VALUES {text}"))? {
        NodeEnum::AlterTableStmt(alter) if is_attach(&alter.cmds) => Ok(Value::from(format!("FOR VALUES {text}"))),
        _ => Err("is no partition's bounds".to_owned()),
    }
}

fn is_attach(commands: &[Node]) -> bool {
    matches!(commands, [Node { node: Some(NodeEnum::AlterTableCmd(command)) }]
        if command.subtype() == AlterTableType::AtAttachPartition)
}

#[cfg(test)]
mod tests {
    use super::{Kind, read};

    #[test]
    fn what_is_given_is_read_as_sql() {
        let cases = [
            (Kind::Table, "Users", "users"),
            (Kind::Table, "app.\"Users\"", "app.\"Users\""),
            (Kind::Name, "order", "\"order\""),
            (Kind::Type, "NUMERIC(10,2)", "numeric(10, 2)"),
            (Kind::Type, "timestamptz", "timestamptz"),
            (Kind::Type, "text[]", "text[]"),
            (Kind::Expression, "a>0 and b is not null -- why", "a > 0 AND b IS NOT NULL"),
            (Kind::IndexElements, "lower(b) desc, \"C\"", "lower(b) DESC, \"C\""),
            (Kind::Assignments, "a = lower(b), c = 1", "a = lower(b), c = 1"),
            (Kind::Bounds, "FROM ('2026-01-01') TO ('2026-02-01')", "FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')"),
            (Kind::Text, "it's", "'it''s'"),
        ];
        for (kind, given, sql) in cases {
            assert_eq!(read(kind, given).map(|value| value.to_string()), Ok(sql.to_owned()), "{kind:?} {given}");
        }
    }

    #[test]
    fn what_is_more_than_it_should_be_is_refused() {
        let cases = [
            (Kind::Table, "users; DROP TABLE users"),
            (Kind::Table, "a.b.c.d"),
            (Kind::Table, "users u"),
            (Kind::Name, "a, b"),
            (Kind::Name, "*"),
            (Kind::Type, "text; SELECT 1"),
            (Kind::Type, "text FROM t"),
            (Kind::Type, "bigserial"),
            (Kind::Expression, "1) , (2"),
            (Kind::Expression, "1 FROM t"),
            (Kind::Expression, "1); SELECT (2"),
            (Kind::IndexElements, "a) WHERE (true"),
            (Kind::Columns, "a int) PARTITION BY RANGE (a"),
            (Kind::Assignments, "a = 1 WHERE b = 2"),
            (Kind::Bounds, "FROM (1) TO (2), ADD COLUMN x int"),
            (Kind::Number, "-1"),
            (Kind::Truth, "maybe"),
            (Kind::Word(&["prepare", "finish"]), "both"),
            (Kind::Name, ""),
        ];
        for (kind, given) in cases {
            assert!(read(kind, given).is_err(), "{kind:?} {given}: {:?}", read(kind, given));
        }
    }
}
