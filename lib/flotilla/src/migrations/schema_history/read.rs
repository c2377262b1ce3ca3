//! Reading the history.

use tokio_postgres::SimpleQueryRow;

use super::{Installed, Row, Table};
use crate::error::{Code, Error, Result};
use crate::migrations::scripts::Version;
use crate::pg::Session;

/// The columns that say what is applied; read by name, for a table may have more.
pub const ESSENTIAL: &str = "installed_rank, version, description, type, script, checksum, success";

/// Those that say who did it, when, and how long it took.
const INSTALLED: &str = "installed_by, installed_on::pg_catalog.text, execution_time";

/// Every row by rank; `None` when there is no table.
pub async fn read(session: &Session, table: &Table) -> Result<Option<Vec<Row>>> {
    // Flyway's own mark, so that a pooler that balances by comments keeps this on the primary.
    let sql =
        format!("/*NO LOAD BALANCE*/ SELECT {ESSENTIAL}, {INSTALLED} FROM {} ORDER BY installed_rank", table.quoted());
    match session.simple(&sql).await {
        Ok(answer) => rows(&answer, table).map(Some),
        // No such table, or no such schema.
        Err(e) if matches!(e.state(), Some("42P01" | "3F000")) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The rows of an answer that has the essential columns, and perhaps the others.
pub fn rows(answer: &[SimpleQueryRow], table: &Table) -> Result<Vec<Row>> {
    answer.iter().map(|row| parse(row, table)).collect()
}

fn parse(row: &SimpleQueryRow, table: &Table) -> Result<Row> {
    let column = |name| row.try_get(name).ok().flatten();
    let text = |name| column(name).unwrap_or_default().to_owned();
    let rank = text("installed_rank");
    let number = |name| text(name).parse().map_err(|_| garbled(table, &rank));
    let version = column("version").filter(|v| !v.is_empty()).map(str::parse::<Version>).transpose();
    let installed = match column("installed_by") {
        Some(by) => {
            let execution_time_ms = number("execution_time")?;
            Some(Installed { by: by.to_owned(), on: text("installed_on"), execution_time_ms })
        }
        None => None,
    };
    Ok(Row {
        rank: number("installed_rank")?,
        version: version.map_err(|e| garbled(table, &rank).source(e))?,
        description: text("description"),
        kind: text("type").as_str().into(),
        script: text("script"),
        checksum: column("checksum").map(str::parse).transpose().map_err(|_| garbled(table, &rank))?,
        success: column("success") == Some("t"),
        installed,
    })
}

fn garbled(table: &Table, rank: &str) -> Error {
    Error::new(Code::QueryFailed, format!("row {rank} of {table} is not one that Flyway or migrate writes"))
        .hint("Look at it with psql; nothing was changed.")
}
