//! Applying the schema's files: those whose checksum isn't the one that the shard remembers.

use std::collections::HashMap;

use flotilla::error::{Error, Result};
use flotilla::pg::Session;

use crate::schema::{FILES, File, PRIVILEGES, RELEASE, Values};

/// Applies what is new or has changed; the names of the files. What can't be had for want of rights
/// or of a library is added to `missing`.
pub(super) async fn files(session: &Session, values: &Values, missing: &mut Vec<String>) -> Result<Vec<&'static str>> {
    let rendered = FILES.iter().map(|file| Ok((file, file.sql(values)?))).collect::<Result<Vec<_>>>()?;
    let checksums = checksums(session, &rendered).await?;
    let known = known(session).await?;
    let stale = |file: &File| known.get(file.name) != checksums.get(file.name);
    let any = FILES.iter().any(|file| file.extra.is_none() && stale(file));

    let mut applied = Vec::new();
    for (file, sql) in &rendered {
        let done = match file.extra {
            None if stale(file) || (any && file.name == PRIVILEGES) => {
                session.simple(sql).await.map_err(|e| explained(file, e))?;
                true
            }
            Some(purpose) if stale(file) => extra(session, sql, purpose, missing).await?,
            _ => false,
        };
        if done {
            applied.push(file.name);
        }
    }
    for name in &applied {
        remember(session, name, &checksums[*name]).await?;
    }
    Ok(applied)
}

/// Tries a part that the rest works without; whether it is there now.
async fn extra(session: &Session, sql: &str, purpose: &str, missing: &mut Vec<String>) -> Result<bool> {
    session.simple("SAVEPOINT extra").await?;
    match session.simple(sql).await {
        Ok(_) => {
            session.simple("RELEASE SAVEPOINT extra").await?;
            Ok(true)
        }
        // Without a SQLSTATE it wasn't the server that refused.
        Err(e) if e.state().is_some_and(|state| state != "57014") => {
            session.simple("ROLLBACK TO SAVEPOINT extra; RELEASE SAVEPOINT extra").await?;
            missing.push(format!("{purpose}: {}", e.message()));
            Ok(false)
        }
        Err(e) => Err(e),
    }
}

/// The checksum of each file as it would be applied, worked out by the server.
async fn checksums(session: &Session, rendered: &[(&File, String)]) -> Result<HashMap<&'static str, String>> {
    let texts: Vec<&str> = rendered.iter().map(|(_, sql)| sql.as_str()).collect();
    let sql = "SELECT encode(sha256(convert_to(t, 'UTF8')), 'hex') FROM unnest($1::text[]) WITH ORDINALITY AS f (t, n) ORDER BY n";
    let rows = session.query(sql, &[&texts]).await?;
    Ok(rendered.iter().zip(rows).map(|((file, _), row)| (file.name, row.get(0))).collect())
}

/// The checksums that the shard remembers.
async fn known(session: &Session) -> Result<HashMap<String, String>> {
    if session.value("SELECT to_regclass('flotilla.version')").await?.is_none() {
        return Ok(HashMap::new());
    }
    let rows = session.query("SELECT file, checksum FROM flotilla.version", &[]).await?;
    Ok(rows.into_iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn remember(session: &Session, file: &str, checksum: &str) -> Result<()> {
    let sql = "INSERT INTO flotilla.version (file, checksum, release) VALUES ($1, $2, $3) ON CONFLICT (file) \
               DO UPDATE SET checksum = $2, release = $3, applied_at = now(), applied_by = session_user";
    session.execute(sql, &[&file, &checksum, &RELEASE]).await?;
    Ok(())
}

fn explained(file: &File, error: Error) -> Error {
    let hint = match error.state() {
        Some("42501") => "Connect as a superuser, or as a role with CREATEROLE that owns the database (users.admin).",
        Some("55P03") => "Something holds a lock on schema flotilla; run it again in a moment.",
        _ => "Nothing was changed on this shard; run it again with -vv to see the statement.",
    };
    let mut new = Error::new(error.code(), format!("{}: {}", file.name, error.message())).hint(hint);
    if let Some(state) = error.state() {
        new = new.sqlstate(state.to_owned());
    }
    new.source(error)
}
