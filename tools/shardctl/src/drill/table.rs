//! The table that writers write to: in a schema of its own, gone after the drill.

use flotilla::error::Result;
use flotilla::pg::Session;
use uuid::Uuid;

/// Makes it, on the primary. What a killed run has left goes first.
pub(super) async fn make(session: &Session, app: &str, app_ro: &str) -> Result<()> {
    let grant = |role: &str| format!("\"{}\"", role.replace('"', "\"\""));
    let (app, app_ro) = (grant(app), grant(app_ro));
    session
        .simple(&format!(
            "SET client_min_messages = warning; DROP SCHEMA IF EXISTS flotilla_drill CASCADE; \
             CREATE SCHEMA flotilla_drill; \
             CREATE TABLE flotilla_drill.writes (run uuid, writer int, seq bigint, \
                 at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (run, writer, seq)); \
             GRANT USAGE ON SCHEMA flotilla_drill TO {app}, {app_ro}; \
             GRANT INSERT, SELECT ON flotilla_drill.writes TO {app}; \
             GRANT SELECT ON flotilla_drill.writes TO {app_ro}"
        ))
        .await
        .map(drop)
}

/// One write, which answers with the position in the WAL behind it.
pub(super) fn write(run: Uuid, writer: u32, seq: u64) -> String {
    format!(
        "INSERT INTO flotilla_drill.writes (run, writer, seq) VALUES ('{run}', {writer}, {seq}) \
         RETURNING pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')"
    )
}

/// One read.
pub(super) const READ: &str = "SELECT count(*) FROM (SELECT 1 FROM flotilla_drill.writes LIMIT 10) AS few";

/// Everything that is there of a run: writer and number.
pub(super) async fn kept(session: &Session, run: Uuid) -> Result<Vec<(u32, u64)>> {
    let rows = session.simple(&format!("SELECT writer, seq FROM flotilla_drill.writes WHERE run = '{run}'")).await?;
    let pair = |row: &tokio_postgres::SimpleQueryRow| Some((row.get(0)?.parse().ok()?, row.get(1)?.parse().ok()?));
    Ok(rows.iter().filter_map(pair).collect())
}

/// Removes it.
pub(super) async fn remove(session: &Session) -> Result<()> {
    session.simple("SET client_min_messages = warning; DROP SCHEMA IF EXISTS flotilla_drill CASCADE").await.map(drop)
}
