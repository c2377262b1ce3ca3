//! A session that runs statements: parsed, bound, described and executed without a prepared name.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, try_unfold};
use postgres_protocol::message::frontend;
use tokio_postgres::types::Oid;

use super::bind::{bind_error, put_param};
use super::stream::Step;
use super::{Column, Query, Row, Rows};
use crate::error::{Error, Result};
use crate::pg::connect::Arrival;
use crate::pg::report;
use crate::pg::session::Canceller;
use crate::pg::value::Kind;
use crate::pg::wire::Wire;

/// The portal's name: a look-up of types may use the nameless one while this one waits.
const PORTAL: &str = "rows";

/// A session that runs statements and streams their rows.
pub struct RowSession {
    pub(super) wire: Wire,
    canceller: Canceller,
    place: String,
    /// What was learnt of types that aren't built in.
    pub(super) kinds: HashMap<Oid, Kind>,
    pub(super) state: State,
}

/// Where a statement stands.
pub(super) enum State {
    /// Nothing is under way.
    Idle,
    /// Rows are coming.
    Rows { columns: Arc<[Column]>, transaction: bool },
    /// A message was awaited and the waiting was given up, or the connection failed.
    Broken,
}

impl RowSession {
    pub(in crate::pg) async fn new(arrival: Arrival) -> Result<Self> {
        let Arrival { client, connection, place, dialer, pledge, .. } = arrival;
        let iso = connection.parameter("DateStyle").is_some_and(|style| style.starts_with("ISO"));
        let canceller = Canceller { token: client.cancel_token(), dialer };
        drop((client, connection));
        let (stream, incoming) = pledge
            .and_then(crate::pg::link::Pledge::redeem)
            .ok_or_else(|| Error::internal("a lent stream didn't come back"))?;
        let mut session =
            Self { wire: Wire::new(stream, incoming), canceller, place, kinds: HashMap::new(), state: State::Idle };
        if !iso {
            // One of the settings that a pooler restores for each of its clients.
            session.wire.simple("SET DateStyle = ISO").await?;
        }
        Ok(session)
    }

    /// The server that was found, as messages name it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Something that can cancel the statement under way, from anywhere.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Runs SQL by the simple protocol, for its effect; several statements are one transaction.
    pub async fn simple(&mut self, sql: &str) -> Result<()> {
        self.ready().await?;
        self.wire.simple(sql).await
    }

    /// Runs a statement; its rows come with [`Rows::next`].
    pub async fn run(&mut self, query: &Query<'_>) -> Result<Rows<'_>> {
        let columns = self.start(query).await?;
        Ok(Rows::new(self, columns))
    }

    /// Runs a statement and streams its rows, owning the session.
    pub async fn into_stream(mut self, query: &Query<'_>) -> Result<BoxStream<'static, Result<Row>>> {
        self.start(query).await?;
        Ok(try_unfold(self, |mut session| async move {
            match session.advance().await? {
                Step::Row(row) => Ok(Some((row, session))),
                Step::End(_) => {
                    session.close().await;
                    Ok(None)
                }
            }
        })
        .boxed())
    }

    /// Says goodbye.
    pub async fn close(self) {
        self.wire.close().await;
    }

    /// Reads what is left of the last statement, if its rows weren't read to the end.
    async fn ready(&mut self) -> Result<()> {
        while matches!(self.state, State::Rows { .. }) {
            // An error here was the last statement's, and whoever ran it turned away from it.
            if let Err(e) = self.advance().await {
                tracing::debug!("unread statement failed: {e}");
            }
        }
        match self.state {
            State::Broken => Err(report::closed()),
            _ => Ok(()),
        }
    }

    async fn start(&mut self, query: &Query<'_>) -> Result<Arc<[Column]>> {
        self.ready().await?;
        // Until the server is known to be ready again, an early return leaves the session unusable.
        self.state = State::Broken;
        let transaction = match query.opening() {
            Some(opening) => {
                if let Err(e) = self.wire.simple(&opening).await {
                    self.roll_back().await?;
                    return Err(e);
                }
                true
            }
            None => false,
        };
        let put = self.wire.put(|buf| {
            // Left over if the caller keeps a transaction open; closing what isn't there is no error.
            frontend::close(b'P', PORTAL, buf)?;
            frontend::parse("", query.sql, [], buf)?;
            frontend::bind(PORTAL, "", [], query.params, put_param, [], buf).map_err(bind_error)?;
            frontend::describe(b'P', PORTAL, buf)?;
            frontend::flush(buf);
            Ok(())
        });
        if let Err(e) = put {
            self.state = State::Idle;
            if transaction {
                self.roll_back().await?;
            }
            return Err(e);
        }
        self.wire.send().await?;
        match self.describe().await {
            Ok(columns) => {
                self.wire.put(|buf| {
                    frontend::execute(PORTAL, 0, buf)?;
                    // pgaudit counts a query's open portal as a statement under way, and refuses the next
                    // utility command, such as COMMIT, while there is one. What gives no rows has ended
                    // by itself; and COPY FROM STDIN takes no other message before its data.
                    if !columns.is_empty() {
                        frontend::close(b'P', PORTAL, buf)?;
                    }
                    frontend::sync(buf);
                    Ok(())
                })?;
                self.wire.send().await?;
                self.state = State::Rows { columns: Arc::clone(&columns), transaction };
                Ok(columns)
            }
            Err(e) => {
                self.wire.put(|buf| {
                    frontend::sync(buf);
                    Ok(())
                })?;
                self.wire.send().await?;
                self.wire.settle().await?;
                if transaction {
                    self.roll_back().await?;
                }
                self.state = State::Idle;
                Err(e)
            }
        }
    }

    async fn roll_back(&mut self) -> Result<()> {
        self.wire.simple("ROLLBACK").await?;
        self.state = State::Idle;
        Ok(())
    }
}
