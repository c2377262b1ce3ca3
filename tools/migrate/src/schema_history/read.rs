//! Reading the history.

use flotilla::error::{Code, Error, Result};
use flotilla::pg::Session;
use tokio_postgres::SimpleQueryRow;

use super::{Row, Table};
use crate::scripts::Version;

/// The columns, in Flyway's order; read by name, for a table may have more.
const COLUMNS: &str = "installed_rank, version, description, type, script, checksum, installed_by, \
                       installed_on::pg_catalog.text, execution_time, success";

/// Every row by rank; `None` when there is no table.
pub async fn read(session: &Session, table: &Table) -> Result<Option<Vec<Row>>> {
    // Flyway's own mark, so that a pooler that balances by comments keeps this on the primary.
    let sql = format!("/*NO LOAD BALANCE*/ SELECT {COLUMNS} FROM {} ORDER BY installed_rank", table.quoted());
    match session.simple(&sql).await {
        Ok(rows) => rows.iter().map(|row| parse(row, table)).collect::<Result<_>>().map(Some),
        // No such table, or no such schema.
        Err(e) if matches!(e.state(), Some("42P01" | "3F000")) => Ok(None),
        Err(e) => Err(e),
    }
}

fn parse(row: &SimpleQueryRow, table: &Table) -> Result<Row> {
    let text = |at: usize| row.get(at).unwrap_or_default().to_owned();
    let number = |at: usize| text(at).parse().map_err(|_| garbled(table, &text(0)));
    let version = row.get(1).filter(|v| !v.is_empty()).map(str::parse::<Version>).transpose();
    Ok(Row {
        rank: number(0)?,
        version: version.map_err(|e| garbled(table, &text(0)).source(e))?,
        description: text(2),
        kind: text(3).as_str().into(),
        script: text(4),
        checksum: row.get(5).map(str::parse).transpose().map_err(|_| garbled(table, &text(0)))?,
        installed_by: text(6),
        installed_on: text(7),
        execution_time_ms: number(8)?,
        success: row.get(9) == Some("t"),
    })
}

fn garbled(table: &Table, rank: &str) -> Error {
    Error::new(Code::QueryFailed, format!("row {rank} of {table} is not one that Flyway or migrate writes"))
        .hint("Look at it with psql; nothing was changed.")
}
