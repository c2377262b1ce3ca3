//! The replication protocol: who a server is, its timelines, and base backups.
//!
//! Sources: PostgreSQL's documentation, "Streaming Replication Protocol"; the stream of a base
//! backup as of PostgreSQL 15 (`BASE_BACKUP (TARGET 'client')`). Commands go by the simple protocol;
//! the session belongs to a walsender, so it needs a role with `REPLICATION` and a direct connection.

mod base_backup;

pub use base_backup::{BaseBackup, BaseBackupOptions, Event, Position, Tablespace};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use postgres_protocol::message::backend::{DataRowBody, Message};
use postgres_protocol::message::frontend;
use tokio_postgres::fallible_iterator::FallibleIterator as _;

use super::connect::{Arrival, Give};
use super::endpoint::{Endpoint, Host};
use super::report::Report;
use super::wire::{Wire, garbled, unexpected};
use crate::error::{Code, Error, Result};

/// How much of a backup is read at once, in bytes.
const CHUNK: usize = 1 << 20;

/// A session with a walsender.
pub struct Replication {
    wire: Wire,
    place: String,
    host: Host,
}

/// What `IDENTIFY_SYSTEM` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's system identifier, decimal.
    pub system_identifier: String,
    /// The timeline that the server is on.
    pub timeline: u32,
    /// How far the WAL is flushed, or replayed on a standby; as `16/B374D848`.
    pub position: String,
}

/// A row of text values.
pub type TextRow = Vec<Option<String>>;

impl Endpoint {
    /// Connects to a walsender, which also takes SQL by the simple protocol.
    pub fn connect_replication(&self) -> BoxFuture<'_, Result<Replication>> {
        async move {
            let Arrival { client, connection, place, host, pledge, .. } = self.find(Give::ForReplication).await?;
            drop((client, connection));
            let (stream, incoming) = pledge
                .and_then(super::link::Pledge::redeem)
                .ok_or_else(|| Error::internal("a lent stream didn't come back"))?;
            Ok(Replication { wire: Wire::new(stream, incoming).chunk(CHUNK), place, host })
        }
        .boxed()
    }
}

impl Replication {
    /// The server that was found, as messages name it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The host that was found, of those that the endpoint lists.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Runs a command, or SQL; the rows of all its results.
    pub async fn rows(&mut self, command: &str) -> Result<Vec<TextRow>> {
        self.begin(command).await?;
        let mut rows = Vec::new();
        let mut failed = None;
        loop {
            match self.wire.next().await? {
                Message::DataRow(body) => rows.push(text_row(&body)?),
                Message::ErrorResponse(body) => {
                    failed.get_or_insert(Report::parse(body.fields()).map_err(|e| garbled(&e))?.error());
                }
                Message::ReadyForQuery(_) => return failed.map_or(Ok(rows), Err),
                Message::RowDescription(_) | Message::CommandComplete(_) | Message::EmptyQueryResponse => {}
                _ => return Err(unexpected()),
            }
        }
    }

    /// Which cluster this is, and where its WAL stands.
    pub async fn identify(&mut self) -> Result<Identity> {
        let rows = self.rows("IDENTIFY_SYSTEM").await?;
        match rows.first().map(Vec::as_slice) {
            Some([Some(system_identifier), Some(timeline), Some(position), ..]) => Ok(Identity {
                system_identifier: system_identifier.clone(),
                timeline: timeline.parse().map_err(|_| unexpected())?,
                position: position.clone(),
            }),
            _ => Err(unexpected()),
        }
    }

    /// Says goodbye.
    pub async fn close(self) {
        self.wire.close().await;
    }

    async fn begin(&mut self, command: &str) -> Result<()> {
        self.wire.put(|buf| frontend::query(command, buf))?;
        self.wire.send().await
    }
}

/// The values of a row, as text.
fn text_row(body: &DataRowBody) -> Result<TextRow> {
    body.ranges()
        .map(|range| Ok(range.map(|range| String::from_utf8_lossy(&body.buffer()[range]).into_owned())))
        .collect()
        .map_err(|e| garbled(&e))
}

/// The server ended a backup before its end.
fn cut_short() -> Error {
    Error::new(Code::QueryFailed, "the base backup ended before its end")
        .hint("Look at the server's log, then take the backup again.")
}
