//! The statements that took the most time, by `pg_stat_statements` of every node.

use std::collections::{BTreeSet, HashMap};

use flotilla::config::Config;
use flotilla::{Code, Context, Error, Result};
use pg_query::NodeEnum;
use pg_query::protobuf::{Node, ParseResult, RawStmt};
use postgres_protocol::escape::escape_literal;
use serde::Deserialize;

use super::Args;
use super::advice::{Advice, Found, Kind};
use super::plan::Plan;
use super::settings::Server;
use super::sight::{Counted, Seat, Sight};

/// What is shown of a statement at most.
const SHOWN: usize = 2_000;
/// So much of what a statement needs should be in memory.
const LEAST_HIT: f64 = 0.9;
/// A deviation of so many times the mean isn't steady.
const STEADY: f64 = 3.0;
/// Cheaper than this, in milliseconds, a statement is cheap.
const CHEAP_MS: f64 = 1.0;
/// From here on, in milliseconds, it is slow.
const SLOW_MS: f64 = 100.0;

/// One statement, over all nodes and roles.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) id: String,
    /// As the server keeps it.
    pub(super) text: String,
    /// The same without any constant, shortened, for people.
    pub(super) shown: String,
    pub(super) roles: BTreeSet<String>,
    pub(super) nodes: Vec<String>,
    pub(super) calls: f64,
    pub(super) total_ms: f64,
    pub(super) mean_ms: f64,
    pub(super) deviation_ms: f64,
    pub(super) hit_bytes: f64,
    pub(super) read_bytes: f64,
    pub(super) temporary_bytes: f64,
    /// Its part of the time of all statements.
    pub(super) share: f64,
    pub(super) counted: Counted,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    text: String,
    roles: Vec<String>,
    calls: f64,
    total_ms: f64,
    squares: f64,
    hit_bytes: f64,
    read_bytes: f64,
    temporary_bytes: f64,
    all_ms: f64,
}

/// Reads them. What isn't a SELECT, INSERT, UPDATE or DELETE is left out.
pub(super) async fn read(
    cx: &Context,
    config: &Config,
    sight: &Sight,
    args: &Args,
    found: &mut Found,
) -> Result<Vec<Statement>> {
    let mut merged: HashMap<String, (Statement, f64)> = HashMap::new();
    let mut all_ms = 0.0;
    for seat in &sight.seats {
        let (counted, rows) = match of_node(cx, config, seat, args).await {
            Ok(found) => found,
            Err(error) if error.code() == Code::Cancelled => return Err(error),
            Err(error) => {
                let hint = error.record().hint;
                found.unseen("statements", Some(&seat.node.name), error.message(), hint.as_deref());
                continue;
            }
        };
        all_ms += rows.first().map_or(0.0, |row| row.all_ms);
        for row in rows {
            let new = || (Statement::new(&row, &counted), 0.0);
            let (statement, squares) = merged.entry(row.id.clone()).or_insert_with(new);
            statement.nodes.push(seat.node.name.clone());
            statement.roles.extend(row.roles.iter().cloned());
            statement.calls += row.calls;
            statement.total_ms += row.total_ms;
            statement.hit_bytes += row.hit_bytes;
            statement.read_bytes += row.read_bytes;
            statement.temporary_bytes += row.temporary_bytes;
            *squares += row.squares;
        }
    }
    let mut statements = Vec::new();
    for (mut statement, squares) in merged.into_values() {
        match read_text(&statement.text) {
            Text::Plain(text) => {
                statement.shown = shown(&text);
                statement.text = text;
            }
            Text::Other => continue,
            Text::Unreadable => {
                let why = "its text without constants isn't SQL any more, as with interval '1 day'";
                found.unseen("plans", Some(&statement.id), why, None);
                continue;
            }
        }
        statement.mean_ms = statement.total_ms / statement.calls.max(1.0);
        statement.deviation_ms = (squares / statement.calls.max(1.0) - statement.mean_ms.powi(2)).max(0.0).sqrt();
        statement.share = if all_ms > 0.0 { statement.total_ms / all_ms } else { 0.0 };
        if statement.calls >= f64::from(args.least_calls) {
            statements.push(statement);
        }
    }
    statements.sort_by(|a, b| b.total_ms.total_cmp(&a.total_ms).then_with(|| a.id.cmp(&b.id)));
    Ok(statements)
}

async fn of_node(cx: &Context, config: &Config, seat: &Seat, args: &Args) -> Result<(Counted, Vec<Row>)> {
    #[derive(Deserialize)]
    struct Place {
        schema: String,
    }
    let sql = "SELECT quote_ident(n.nspname) AS schema FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace \
               WHERE e.extname = 'pg_stat_statements'";
    let place: Option<Place> = seat.rows(cx, sql).await?.into_iter().next();
    let schema = place
        .ok_or_else(|| {
            Error::new(Code::Unsupported, "extension pg_stat_statements is not installed")
                .hint("Put it into shared_preload_libraries, restart, and CREATE EXTENSION pg_stat_statements; `shardctl init` does so as superuser.")
        })?
        .schema;
    let counted = format!(
        "SELECT to_char(stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS since, \
         extract(epoch FROM clock_timestamp() - stats_reset) AS seconds FROM {schema}.pg_stat_statements_info"
    );
    let counted = seat.rows(cx, &counted).await?.into_iter().next().unwrap_or_else(|| seat.counted.clone());
    // Who watches and who backs up aren't the load that indexes and memory are for.
    let tools = [&config.users.monitor, &config.users.backup].map(|role| escape_literal(role)).join(", ");
    let sql = format!(
        "SELECT queryid::text AS id, max(query) AS text, array_agg(DISTINCT userid::regrole::text) AS roles, \
          sum(calls) AS calls, sum(total_exec_time) AS total_ms, \
          sum(calls * (stddev_exec_time ^ 2 + mean_exec_time ^ 2)) AS squares, \
          sum(shared_blks_hit) * bs AS hit_bytes, sum(shared_blks_read) * bs AS read_bytes, \
          sum(temp_blks_written) * bs AS temporary_bytes, sum(sum(total_exec_time)) OVER () AS all_ms \
         FROM {schema}.pg_stat_statements, (SELECT current_setting('block_size')::int AS bs) AS one \
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND toplevel \
          AND queryid IS NOT NULL AND userid NOT IN (SELECT oid FROM pg_roles WHERE rolname IN ({tools})) \
         GROUP BY queryid, bs ORDER BY total_ms DESC LIMIT {}",
        args.statements
    );
    Ok((counted, seat.rows(cx, &sql).await?))
}

/// What a text is.
#[derive(Debug, PartialEq, Eq)]
enum Text {
    /// One statement that reads or changes rows.
    Plain(String),
    /// Something else.
    Other,
    /// Nothing that the grammar knows.
    Unreadable,
}

/// What a text is. Of what was prepared by PREPARE, the server counts what was prepared.
fn read_text(text: &str) -> Text {
    let Ok(parsed) = pg_query::parse(text, 0) else { return Text::Unreadable };
    let [statement] = parsed.protobuf.stmts.as_slice() else { return Text::Other };
    match statement.stmt.as_ref().and_then(|stmt| stmt.node.as_ref()) {
        Some(NodeEnum::PrepareStmt(prepared)) if prepared.query.as_deref().is_some_and(is_plain) => {
            let raw = RawStmt { stmt: prepared.query.clone(), stmt_location: 0, stmt_len: 0 };
            let tree = ParseResult { version: parsed.protobuf.version, stmts: vec![raw] };
            pg_query::deparse(&tree, pg_query::DeparseOptions::default()).map_or(Text::Unreadable, Text::Plain)
        }
        Some(_) if statement.stmt.as_deref().is_some_and(is_plain) => Text::Plain(text.to_owned()),
        _ => Text::Other,
    }
}

/// Whether a statement reads or changes rows, and makes nothing.
fn is_plain(node: &Node) -> bool {
    match node.node.as_ref() {
        Some(NodeEnum::SelectStmt(select)) => select.into_clause.is_none(),
        Some(NodeEnum::InsertStmt(_) | NodeEnum::UpdateStmt(_) | NodeEnum::DeleteStmt(_)) => true,
        _ => false,
    }
}

/// The text for people. The server may have kept constants where a statement was forgotten while it ran.
fn shown(text: &str) -> String {
    let plain = pg_query::normalize(text).unwrap_or_default();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    match plain.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}

impl Statement {
    fn new(row: &Row, counted: &Counted) -> Self {
        Self {
            id: row.id.clone(),
            text: row.text.clone(),
            shown: String::new(),
            roles: BTreeSet::new(),
            nodes: Vec::new(),
            calls: 0.0,
            total_ms: 0.0,
            mean_ms: 0.0,
            deviation_ms: 0.0,
            hit_bytes: 0.0,
            read_bytes: 0.0,
            temporary_bytes: 0.0,
            share: 0.0,
            counted: counted.clone(),
        }
    }

    /// Advice about it, with what is always worth knowing.
    pub(super) fn advice(&self, kind: Kind, object: &str) -> Advice {
        Advice::new(kind, object)
            .statement(&self.shown)
            .nodes(self.nodes.clone())
            .seen("calls", self.calls, "calls")
            .seen("mean_ms", self.mean_ms, "ms")
            .seen("total_ms", self.total_ms, "ms")
            .seen("time_ratio", self.share, "ratio")
            .counted_by(&self.counted)
    }

    /// The part of what it needed that was in memory.
    fn hit_ratio(&self) -> f64 {
        let all = self.hit_bytes + self.read_bytes;
        if all > 0.0 { self.hit_bytes / all } else { 1.0 }
    }
}

/// Advises on what only the application can mend.
pub(super) fn advise(statements: &[Statement], plans: &HashMap<String, Plan>, servers: &[Server], found: &mut Found) {
    let buffers = servers.iter().map(|server| server.shared_buffers).fold(0.0, f64::max);
    for statement in statements {
        if statement.hit_ratio() < LEAST_HIT && statement.read_bytes > 2.0 * buffers && buffers > 0.0 {
            found.push(
                statement
                    .advice(Kind::LowCacheHit, &statement.id)
                    .seen("hit_ratio", statement.hit_ratio(), "ratio")
                    .seen("read_bytes", statement.read_bytes, "bytes")
                    .seen("read_bytes_per_call", statement.read_bytes / statement.calls, "bytes")
                    .formula(format!(
                        "hit / (hit + read) = {:.0} / {:.0} bytes = {:.0} %, and the limit is {:.0} %",
                        statement.hit_bytes,
                        statement.hit_bytes + statement.read_bytes,
                        100.0 * statement.hit_ratio(),
                        100.0 * LEAST_HIT
                    ))
                    .why("what it needs doesn't stay in shared_buffers")
                    .remedy("Let it read less: an index, fewer columns or rows, another page size of its results. More memory helps where the advice on shared_buffers says so."),
            );
        }
        if statement.mean_ms >= CHEAP_MS
            && statement.deviation_ms > STEADY * statement.mean_ms
            && statement.share >= 0.01
        {
            found.push(
                statement
                    .advice(Kind::UnsteadyStatement, &statement.id)
                    .seen("deviation_ms", statement.deviation_ms, "ms")
                    .formula(format!(
                        "deviation / mean = {:.1} / {:.1} ms, and the limit is {STEADY}",
                        statement.deviation_ms, statement.mean_ms
                    ))
                    .why("the same statement is now fast and now slow: by its values, by locks, or by what is in memory")
                    .remedy("Look for locks in the server's log with log_lock_waits, and at plans of slow runs with auto_explain."),
            );
        }
        let per_second = statement.calls / statement.counted.seconds.max(1.0);
        if statement.mean_ms < CHEAP_MS && statement.share >= 0.2 && statement.calls >= 10_000.0 && per_second >= 10.0 {
            found.push(
                statement
                    .advice(Kind::FrequentStatement, &statement.id)
                    .seen("calls_per_second", per_second, "calls/s")
                    .why("each call is cheap, and together they are much of the load; the way there and back is not even counted")
                    .remedy("Let the application ask for many rows at once (= ANY), or keep the answer in the cache for a while."),
            );
        }
        let is_known = found.advice.iter().any(|advice| advice.is_about(&statement.shown));
        if !is_known && statement.mean_ms >= SLOW_MS && statement.share >= 0.05 {
            let costly = plans.get(&statement.id).map(|plan| plan.root.costliest());
            let advice = statement.advice(Kind::SlowStatement, &statement.id);
            let why = match costly {
                Some(node) => format!("most of its plan's cost is in: {node}"),
                None => "it takes long, and its plan could not be seen".to_owned(),
            };
            found.push(
                advice.why(why).remedy("Look at it with EXPLAIN (ANALYZE, BUFFERS) and real values, on a replica."),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Text, read_text, shown};

    #[test]
    fn only_one_statement_that_reads_or_changes_rows_is_looked_at() {
        for plain in ["SELECT $1", "INSERT INTO t VALUES ($1)", "WITH x AS (SELECT 1) DELETE FROM t USING x"] {
            assert_eq!(read_text(plain), Text::Plain(plain.to_owned()));
        }
        for other in [
            "SELECT 1; DROP TABLE t",
            "CREATE TABLE t AS SELECT 1",
            "SELECT 1 INTO t",
            "PREPARE p AS VALUES (1); VACUUM",
            "VACUUM",
            "EXECUTE p",
            "",
        ] {
            assert_eq!(read_text(other), Text::Other, "{other}");
        }
        assert_eq!(read_text("PREPARE p (int) AS SELECT $1"), Text::Plain("SELECT $1".to_owned()));
        assert_eq!(read_text("SELECT ("), Text::Unreadable);
    }

    #[test]
    fn no_constant_is_shown() {
        let text = "SELECT *  FROM t\nWHERE name = 'secret' AND id = $1";
        assert_eq!(shown(text), "SELECT * FROM t WHERE name = $2 AND id = $1");
    }
}
