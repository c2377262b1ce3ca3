//! The rows of a statement, one after the other, and its end.

use std::sync::Arc;

use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::session::State;
use super::{Column, Row, RowSession};
use crate::error::{Code, Error, Result};
use crate::pg::report::{self, Report};
use crate::pg::wire::garbled;

/// What comes next.
pub(super) enum Step {
    Row(Row),
    End(Option<String>),
}

impl RowSession {
    /// The next row, or the end with the command tag.
    pub(super) async fn advance(&mut self) -> Result<Step> {
        let mut tag = None;
        let mut failed = None;
        let (columns, transaction) = match &self.state {
            State::Rows { columns, transaction } => (Arc::clone(columns), *transaction),
            State::Idle => return Ok(Step::End(None)),
            State::Broken => return Err(report::closed()),
        };
        loop {
            let message = match self.wire.next().await {
                Ok(message) => message,
                Err(e) => {
                    self.state = State::Broken;
                    return Err(e);
                }
            };
            match message {
                Message::DataRow(body) if failed.is_none() => match Row::new(&columns, &body) {
                    Ok(row) => return Ok(Step::Row(row)),
                    Err(e) => failed = Some(e),
                },
                Message::CommandComplete(body) => tag = Some(body.tag().map_err(|e| garbled(&e))?.to_owned()),
                Message::ErrorResponse(body) => {
                    let error = Report::parse(body.fields()).map_err(|e| garbled(&e))?.error();
                    failed.get_or_insert(error);
                }
                Message::CopyInResponse(_) => {
                    // COPY has swallowed the sync that was sent with the statement.
                    self.wire.put(|buf| {
                        frontend::copy_fail("there is no data to copy", buf)?;
                        frontend::sync(buf);
                        Ok(())
                    })?;
                    self.wire.send().await?;
                    failed.get_or_insert_with(copy_unsupported);
                }
                Message::CopyOutResponse(_) => {
                    failed.get_or_insert_with(copy_unsupported);
                }
                Message::ReadyForQuery(_) => break,
                _ => {}
            }
        }
        self.state = State::Broken;
        if transaction {
            let end = if failed.is_some() { "ROLLBACK" } else { "COMMIT" };
            if let Err(e) = self.wire.simple(end).await {
                failed.get_or_insert(e);
            }
        }
        self.state = State::Idle;
        match failed {
            Some(e) => Err(e),
            None => Ok(Step::End(tag)),
        }
    }
}

fn copy_unsupported() -> Error {
    Error::new(Code::Unsupported, "COPY with the client is not supported here")
        .hint("Select the rows instead, or use psql's \\copy with the target's service.")
}

/// The rows of a statement. One that is dropped early is read to its end before the next runs.
pub struct Rows<'s> {
    session: &'s mut RowSession,
    columns: Arc<[Column]>,
    ended: bool,
    tag: Option<String>,
}

impl<'s> Rows<'s> {
    pub(super) fn new(session: &'s mut RowSession, columns: Arc<[Column]>) -> Self {
        Self { session, columns, ended: false, tag: None }
    }

    /// The columns; none for a statement that gives no rows.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The next row; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Row>> {
        if self.ended {
            return Ok(None);
        }
        match self.session.advance().await? {
            Step::Row(row) => Ok(Some(row)),
            Step::End(tag) => {
                self.ended = true;
                self.tag = tag;
                Ok(None)
            }
        }
    }

    /// What the server calls what was done, such as `INSERT 0 3`; known after the last row.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// How many rows were read or changed, where the tag says so; known after the last row.
    pub fn affected(&self) -> Option<u64> {
        self.tag()?.rsplit(' ').next()?.parse().ok()
    }
}
