//! The last lines of the ledger, from all shards together.

use std::time::Duration;

use flotilla::Context;
use flotilla::error::Result;
use flotilla::pg::Session;
use flotilla::record::{Line, Record};
use schemars::JsonSchema;
use serde::Serialize;

use super::shards::Answer;

/// One line of the ledger.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct LedgerRow {
    /// When it was written, UTC.
    ran_at: Option<String>,
    /// The tool.
    tool: Option<String>,
    /// The verb.
    verb: Option<String>,
    /// Who ran it, as `user@host`.
    operator: Option<String>,
    /// Why, in the operator's words.
    reason: Option<String>,
    /// How the work on the target ended.
    outcome: Option<String>,
    /// The run's id, the same on each of its targets.
    run_id: Option<String>,
}

impl Record for LedgerRow {
    const KIND: &'static str = "shardctl.ledger";
    const COLUMNS: &'static [&'static str] = &["ran_at", "tool", "verb", "operator", "outcome", "reason"];
}

/// The last `count` lines of one shard, newest first.
pub(super) async fn read(session: &Session, count: u16) -> Result<Vec<LedgerRow>> {
    let sql = format!(
        "SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), tool, verb, operator, reason, status, run_id \
         FROM flotilla.ledger ORDER BY at DESC LIMIT {count}"
    );
    let rows = session.simple(&sql).await?;
    let text = |row: &tokio_postgres::SimpleQueryRow, at: usize| row.get(at).map(str::to_owned);
    let lines = rows.iter().map(|row| LedgerRow {
        ran_at: text(row, 0),
        tool: text(row, 1),
        verb: text(row, 2),
        operator: text(row, 3),
        reason: text(row, 4),
        outcome: text(row, 5),
        run_id: text(row, 6),
    });
    Ok(lines.collect())
}

/// Writes the last `count` lines of all shards, oldest first.
pub(super) fn write(cx: &Context, answers: &[Answer], count: usize) -> Result<()> {
    let all = answers.iter().flat_map(|a| a.ledger.iter().map(|line| (a.shard.clone(), line.clone())));
    let mut lines: Vec<(String, LedgerRow)> = all.collect();
    lines.sort_by(|a, b| b.1.ran_at.cmp(&a.1.ran_at));
    lines.truncate(count);
    for (shard, line) in lines.into_iter().rev() {
        cx.output().line(&Line::ok(Some(shard), false, line, Duration::ZERO))?;
    }
    Ok(())
}
