//! Executing one statement, with an error that says where it is written.
//!
//! Failpoint: `migrate.statement`, which callbacks come by as well.

use bytes::Bytes;
use flotilla::error::{Error, Result};
use flotilla::failpoint;
use flotilla::pg::Session;
use futures_util::SinkExt as _;

use crate::statements::{Class, Statement};
use flotilla::migrations::scripts::Script;

/// How much of a COPY's data is sent at once, in bytes.
const CHUNK: usize = 1 << 16;
/// How many statements are sent ahead at most: the server's answers are kept until it is their turn.
const TOGETHER: usize = 64;

/// Runs a statement, with its data if it is a COPY.
pub(crate) async fn statement(session: &Session, script: &Script, sql: &str, statement: &Statement) -> Result<()> {
    let text = statement.text(sql);
    let done = match &statement.data {
        Some(data) => copy(session, text, &sql[data.clone()]).await,
        None if statement.class == Class::CopyIn => copy(session, text, "").await,
        None => session.simple(text).await.map(drop),
    };
    done.map_err(|e| located(e, script, statement, sql))?;
    failpoint::hit("migrate.statement");
    Ok(())
}

/// Runs the statements of an open transaction, one after another; the error of the first that fails.
///
/// They are sent without waiting for each other, for a script of a few statements takes about as long as its round
/// trips: after one that fails the server does none of the others. Two kinds of statements are alone: those that
/// wait for data, and those that our grammar doesn't know, which might end the transaction.
pub(crate) async fn statements(session: &Session, script: &Script, sql: &str, all: &[Statement]) -> Result<()> {
    let mut left = all;
    while let Some(first) = left.first() {
        let together = left.iter().take(TOGETHER).take_while(|s| is_sent_ahead(s)).count();
        let (now, later) = left.split_at(together.max(1));
        left = later;
        if together == 0 {
            statement(session, script, sql, first).await?;
            continue;
        }
        let texts: Vec<&str> = now.iter().map(|one| one.text(sql)).collect();
        let mut ended = session.pipelined(&texts).await;
        for one in now {
            ended.next().await.map_err(|e| located(e, script, one, sql))?;
            failpoint::hit("migrate.statement");
        }
    }
    Ok(())
}

fn is_sent_ahead(statement: &Statement) -> bool {
    statement.data.is_none() && !matches!(statement.class, Class::CopyIn | Class::Unknown)
}

async fn copy(session: &Session, command: &str, data: &str) -> Result<()> {
    let sink = session.copy_in::<_, Bytes>(command).await?;
    futures_util::pin_mut!(sink);
    let data = Bytes::copy_from_slice(data.as_bytes());
    let mut at = 0;
    while at < data.len() {
        let end = (at + CHUNK).min(data.len());
        sink.send(data.slice(at..end)).await?;
        at = end;
    }
    sink.finish().await?;
    Ok(())
}

/// The error with the script and the line in front.
pub(crate) fn located(error: Error, script: &Script, statement: &Statement, sql: &str) -> Error {
    tracing::debug!("{}:{}: {}", script.path.display(), statement.line, statement.excerpt(sql, 200));
    error.within(format_args!("{}:{}", script.script, statement.line))
}
