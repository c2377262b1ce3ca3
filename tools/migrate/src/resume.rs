//! Rows of scripts that were begun and not ended: whose they are, and how far they came.

use flotilla::error::{Code, Error, Result};
use postgres_protocol::escape::escape_literal;

use crate::database::Database;
use crate::run::alone::Begun;
use flotilla::migrations::schema_history::{Row, RowType};
use flotilla::migrations::state::{Migration, State};

/// How far a failed migration came, if it was this tool that began it and its script is the same.
pub(crate) async fn begun(database: &Database, migration: &Migration<'_>) -> Result<Begun> {
    let (Some(row), Some(script), State::Failed) = (migration.row, &migration.script, migration.state) else {
        return Err(stuck(migration, "it failed, and its script is gone"));
    };
    let Some(done) = progress(database, row).await? else {
        return Err(stuck(migration, "it failed before, in a way that can't be resumed"));
    };
    if !script.matches(row.checksum) {
        return Err(stuck(migration, "it was interrupted, and its script has changed since"));
    }
    Ok(Begun { rank: row.rank, installed_on: installed_on(row).to_owned(), done })
}

/// The undo that was begun and not ended, if there is one: its row, and how far it came.
pub(crate) async fn begun_undo<'a>(database: &Database, rows: &'a [Row]) -> Result<Option<(&'a Row, Begun)>> {
    let Some(row) = rows.iter().find(|row| is_begun_undo(row)) else { return Ok(None) };
    let done = progress(database, row).await?.ok_or_else(|| {
        Error::new(Code::Mismatch, format!("the undo of {} failed in a way that can't be resumed", row.script))
            .hint("Look at what it did, finish it by hand, then run `migrate repair`.")
    })?;
    Ok(Some((row, Begun { rank: row.rank, installed_on: installed_on(row).to_owned(), done })))
}

/// Whether a row says that an undo was begun and not ended.
pub(crate) fn is_begun_undo(row: &Row) -> bool {
    !row.success && (row.kind == RowType::Delete || row.kind.is_undo())
}

/// How many statements of a begun script are done; none if it wasn't begun by this tool.
async fn progress(database: &Database, row: &Row) -> Result<Option<usize>> {
    if !database.has_ledger {
        return Ok(None);
    }
    let sql = format!(
        "SELECT max((detail->>'statements_done')::pg_catalog.int4) FROM flotilla.ledger \
         WHERE tool = 'migrate' AND status = 'ok' AND detail->>'table' = {} AND detail->>'rank' = {} AND detail->>'begun_at' = {}",
        escape_literal(&database.table.to_string()),
        escape_literal(&row.rank.to_string()),
        escape_literal(installed_on(row)),
    );
    Ok(database.session.value(&sql).await?.and_then(|done| done.parse().ok()))
}

/// When a row was written, as it says.
fn installed_on(row: &Row) -> &str {
    row.installed.as_ref().map_or("", |installed| &installed.on)
}

fn stuck(migration: &Migration<'_>, why: &str) -> Error {
    Error::new(Code::Mismatch, format!("{}: {why}", migration.script_name()))
        .hint("Look at what it did, take that back or finish it by hand, then run `migrate repair`.")
}
