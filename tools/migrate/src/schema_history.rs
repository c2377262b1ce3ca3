//! Writing the history. Every function works within the caller's transaction, if there is one.

use flotilla::error::{Code, Error, Result};
use flotilla::migrations::schema_history::{Row, RowType, Table, abbreviated};
use flotilla::pg::Session;
use postgres_protocol::escape::escape_literal;

const DIVISION_BY_ZERO: &str = "22012";

/// A row to be written. Its rank is the one after the last row's.
#[derive(Clone, Debug)]
pub(crate) struct NewRow<'a> {
    /// The version's text, as its file spells it.
    pub(crate) version: Option<&'a str>,
    /// What it says it does.
    pub(crate) description: &'a str,
    /// Its kind.
    pub(crate) kind: RowType,
    /// The script's path below its location.
    pub(crate) script: &'a str,
    /// The script's checksum.
    pub(crate) checksum: Option<i32>,
    /// How long it took, in milliseconds.
    pub(crate) execution_time_ms: i32,
    /// Whether it succeeded.
    pub(crate) success: bool,
}

/// Makes the table, as Flyway makes it, and leaves the right to write to it with its owner: what new tables are
/// granted by default would let applications change what has happened.
pub(crate) async fn create(session: &Session, table: &Table) -> Result<()> {
    let name = table.quoted();
    let sql = format!(
        "CREATE TABLE {name} (\n    \"installed_rank\" INT NOT NULL,\n    \"version\" VARCHAR(50),\n    \
         \"description\" VARCHAR(200) NOT NULL,\n    \"type\" VARCHAR(20) NOT NULL,\n    \
         \"script\" VARCHAR(1000) NOT NULL,\n    \"checksum\" INTEGER,\n    \"installed_by\" VARCHAR(100) NOT NULL,\n    \
         \"installed_on\" TIMESTAMP NOT NULL DEFAULT now(),\n    \"execution_time\" INTEGER NOT NULL,\n    \
         \"success\" BOOLEAN NOT NULL\n);\n\
         ALTER TABLE {name} ADD CONSTRAINT {} PRIMARY KEY (\"installed_rank\");\n\
         CREATE INDEX {} ON {name} (\"success\");\n\
         DO $revoke$\nDECLARE grantee regrole; history CONSTANT regclass := {};\nBEGIN\n    \
         FOR grantee IN SELECT DISTINCT a.grantee FROM pg_catalog.pg_class AS c, pg_catalog.aclexplode(c.relacl) AS a \
         WHERE c.oid = history AND a.grantee NOT IN (0, c.relowner) LOOP\n        \
         EXECUTE pg_catalog.format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON %s FROM %s', history, \
         grantee);\n    END LOOP;\nEND $revoke$;",
        table.quoted_with("_pk"),
        table.quoted_with("_s_idx"),
        escape_literal(&name),
    );
    session.simple(&sql).await.map(drop)
}

/// SQL that adds a row after the last one, as the lock's holder; for anybody else it fails, as [`lost`] explains.
pub(crate) fn append(table: &Table, row: &NewRow<'_>) -> String {
    insert(table, row, &format!("(SELECT coalesce(max(installed_rank), 0) + 1 FROM {})", table.quoted()))
}

/// Adds a row after the last one; its rank, and the time that it carries.
pub(crate) async fn add(session: &Session, table: &Table, row: &NewRow<'_>) -> Result<(i32, String)> {
    write(session, table, row, &append(table, row)).await
}

async fn write(session: &Session, table: &Table, row: &NewRow<'_>, sql: &str) -> Result<(i32, String)> {
    let answer = session.simple(sql).await.map_err(|error| lost(error, table, row))?;
    let written = answer.first().and_then(|row| Some((row.get(0)?.parse().ok()?, row.get(1)?.to_owned())));
    written.ok_or_else(|| Error::internal("a row that was added, and isn't shown"))
}

/// The error of SQL that adds a row; that of the lost lock in its own words.
pub(crate) fn lost(error: Error, table: &Table, row: &NewRow<'_>) -> Error {
    if error.state() != Some(DIVISION_BY_ZERO) {
        return error;
    }
    Error::new(Code::LockHeld, format!("the lock on {table} was lost while {} ran", row.script))
        .hint("Does the script call pg_advisory_unlock_all() or DISCARD ALL? Take that out; nothing of it was kept.")
}

/// Adds the mark of a schema that was made; Flyway gives it rank 0.
pub(crate) async fn append_schema_marker(session: &Session, table: &Table) -> Result<()> {
    let row = NewRow {
        version: None,
        description: "<< Flyway Schema Creation >>",
        kind: RowType::Schema,
        script: &table.quoted_schema(),
        checksum: None,
        execution_time_ms: 0,
        success: true,
    };
    write(session, table, &row, &insert(table, &row, "0")).await.map(drop)
}

fn insert(table: &Table, row: &NewRow<'_>, rank: &str) -> String {
    let null = || "NULL".to_owned();
    // Only while the lock is ours: a script may have let go of it. An error, and not no row, so that a `COMMIT` that is
    // on its way already keeps nothing.
    format!(
        "INSERT INTO {} (installed_rank, version, description, type, script, checksum, installed_by, installed_on, \
         execution_time, success) \
         VALUES ({rank} / CASE WHEN {} THEN 1 ELSE 0 END, {}, {}, {}, {}, {}, session_user, \
         pg_catalog.timezone('UTC', pg_catalog.clock_timestamp()), {}, {}) \
         RETURNING installed_rank, installed_on::pg_catalog.text",
        table.quoted(),
        table.lock().held(),
        row.version.map_or_else(null, escape_literal),
        escape_literal(&abbreviated(row.description)),
        escape_literal(row.kind.text()),
        escape_literal(row.script),
        row.checksum.map_or_else(null, |checksum| checksum.to_string()),
        row.execution_time_ms,
        row.success,
    )
}

/// SQL that marks a row as done that was written before its script ran.
pub(crate) fn finish(table: &Table, rank: i32, execution_time_ms: i32) -> String {
    format!(
        "UPDATE {} SET success = true, execution_time = {execution_time_ms} WHERE installed_rank = {rank} AND NOT success",
        table.quoted()
    )
}

/// Removes the rows of what failed.
pub(crate) async fn remove_failed(session: &Session, table: &Table) -> Result<()> {
    session.simple(&format!("DELETE FROM {} WHERE NOT success", table.quoted())).await.map(drop)
}

/// Gives a row what its script says now.
pub(crate) async fn align(session: &Session, table: &Table, row: &Row, new: &NewRow<'_>) -> Result<()> {
    let sql = format!(
        "UPDATE {} SET description = {}, type = {}, checksum = {} WHERE installed_rank = {}",
        table.quoted(),
        escape_literal(&abbreviated(new.description)),
        escape_literal(new.kind.text()),
        new.checksum.map_or_else(|| "NULL".to_owned(), |checksum| checksum.to_string()),
        row.rank,
    );
    session.simple(&sql).await.map(drop)
}
