//! What an interrupted statement has left, and how it is mended.

use flotilla::error::{Code, Error, Result};
use flotilla::pg::Session;
use postgres_protocol::escape::{escape_identifier, escape_literal};

use crate::statements::{Catalogue, Class, Concurrent, Global, Name, Statement};

/// Before its first run: what would make it impossible to tell later whether it was done.
pub(super) async fn check(session: &Session, statement: &Statement) -> Result<()> {
    match &statement.class {
        Class::Concurrent(Concurrent::CreateIndex { name: None, .. }) => Err(Error::refused(
            "an index that is built concurrently needs a name, or a broken one couldn't be found again",
        )
        .hint("Name it: CREATE INDEX CONCURRENTLY name ON …; nothing was touched.")),
        Class::Concurrent(Concurrent::CreateIndex { name: Some(name), table }) => {
            match index(session, name, table).await? {
                // What does nothing but cost, and isn't being built.
                Some(Index { valid: false, place, .. }) => drop_invalid(session, &place).await,
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// After an interruption: mends what is half done; whether the statement is done with that.
pub(super) async fn settle(session: &Session, statement: &Statement) -> Result<bool> {
    match &statement.class {
        Class::Concurrent(Concurrent::CreateIndex { name: Some(name), table }) => {
            match index(session, name, table).await? {
                Some(Index { valid: true, .. }) => Ok(true),
                Some(Index { place, .. }) => drop_invalid(session, &place).await.map(|()| false),
                None => Ok(false),
            }
        }
        Class::Concurrent(Concurrent::DropIndex(name)) => is_gone(session, name).await,
        Class::Concurrent(Concurrent::Reindex) => drop_leftovers(session).await.map(|()| false),
        Class::Concurrent(Concurrent::Detach { parent, partition }) => detach(session, parent, partition).await,
        Class::Global(global) => Ok(exists(session, global).await? == global.creates),
        _ => Ok(false),
    }
}

struct Index {
    valid: bool,
    place: String,
}

/// The index of this name on this table.
async fn index(session: &Session, name: &str, table: &Name) -> Result<Option<Index>> {
    let sql = format!(
        "SELECT i.indisvalid, c.oid::pg_catalog.regclass, i.indrelid = t.oid \
         FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_class AS c ON c.relnamespace = t.relnamespace \
         JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid \
         WHERE t.oid = pg_catalog.to_regclass({}) AND c.relname = {}",
        escape_literal(&table.quoted()),
        escape_literal(name),
    );
    let rows = session.simple(&sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    if row.get(2) != Some("t") {
        return Err(Error::new(Code::QueryFailed, format!("index \"{name}\" exists, but on another table"))
            .hint("Give the index another name."));
    }
    Ok(Some(Index { valid: row.get(0) == Some("t"), place: row.get(1).unwrap_or_default().to_owned() }))
}

async fn drop_invalid(session: &Session, place: &str) -> Result<()> {
    if is_building(session).await? {
        return Err(Error::new(
            Code::LockHeld,
            format!("index {place} is invalid, and somebody builds an index right now"),
        )
        .hint("Wait until pg_stat_progress_create_index is empty, then run this again."));
    }
    tracing::warn!("dropping the invalid index {place}, left by an interrupted run");
    session.simple(&format!("DROP INDEX CONCURRENTLY IF EXISTS {place}")).await.map(drop)
}

async fn is_building(session: &Session) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index \
               WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid())";
    Ok(session.value(sql).await?.as_deref() == Some("t"))
}

/// The copies that an interrupted REINDEX CONCURRENTLY leaves beside the indexes that it rebuilds.
async fn drop_leftovers(session: &Session) -> Result<()> {
    let sql = "SELECT c.oid::pg_catalog.regclass FROM pg_catalog.pg_index AS i \
               JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid \
               WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND c.relkind = 'i'";
    for row in session.simple(sql).await? {
        drop_invalid(session, row.get(0).unwrap_or_default()).await?;
    }
    Ok(())
}

async fn is_gone(session: &Session, name: &Name) -> Result<bool> {
    let sql = format!("SELECT pg_catalog.to_regclass({}) IS NULL", escape_literal(&name.quoted()));
    Ok(session.value(&sql).await?.as_deref() == Some("t"))
}

async fn detach(session: &Session, parent: &Name, partition: &Name) -> Result<bool> {
    let sql = format!(
        "SELECT inhdetachpending FROM pg_catalog.pg_inherits \
         WHERE inhparent = pg_catalog.to_regclass({}) AND inhrelid = pg_catalog.to_regclass({})",
        escape_literal(&parent.quoted()),
        escape_literal(&partition.quoted()),
    );
    match session.value(&sql).await?.as_deref() {
        None => Ok(true),
        Some("t") => {
            let sql = format!("ALTER TABLE {} DETACH PARTITION {} FINALIZE", parent.quoted(), partition.quoted());
            session.simple(&sql).await.map(|_| true)
        }
        Some(_) => Ok(false),
    }
}

async fn exists(session: &Session, global: &Global) -> Result<bool> {
    let (catalogue, column) = match global.catalogue {
        Catalogue::Database => ("pg_database", "datname"),
        Catalogue::Tablespace => ("pg_tablespace", "spcname"),
        Catalogue::Subscription => ("pg_subscription", "subname"),
    };
    let sql = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.{catalogue} WHERE {} = {})",
        escape_identifier(column),
        escape_literal(&global.name)
    );
    Ok(session.value(&sql).await?.as_deref() == Some("t"))
}
