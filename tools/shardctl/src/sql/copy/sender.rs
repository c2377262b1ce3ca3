//! One shard's end of a load: a transaction that commits when it is told to.

use bytes::Bytes;
use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::pg::Endpoint;
use futures_util::SinkExt as _;
use tokio::sync::mpsc::Receiver;

use super::CopyResult;
use super::table::Table;

/// What a sender is told.
pub(super) enum Part {
    /// Rows in COPY's text format.
    Rows {
        /// Whole rows.
        bytes: Bytes,
        /// How many they are.
        count: u64,
    },
    /// The input was read to its end: commit.
    Commit,
}

/// Sends what comes and commits at the end. A channel that closes without [`Part::Commit`] means that
/// the input broke off: nothing is kept.
pub(super) async fn send(
    cx: Context,
    endpoint: Endpoint,
    table: Table,
    statement: String,
    epoch: i64,
    mut parts: Receiver<Part>,
) -> Result<CopyResult> {
    let session = cx.connect(endpoint).await?;
    let work = async {
        // The transaction keeps the statement and its data on one server behind a pooler.
        session.simple(&format!("BEGIN; SET LOCAL flotilla.epoch = {epoch}")).await?;
        let sink = session.copy_in::<_, Bytes>(&*statement).await?;
        tokio::pin!(sink);
        let mut result = CopyResult { table: Some(table.name()), row_count: Some(0), sent_bytes: Some(0) };
        let mut whole = false;
        while let Some(part) = parts.recv().await {
            match part {
                Part::Rows { bytes, count } => {
                    result.row_count = result.row_count.map(|n| n + count);
                    result.sent_bytes = result.sent_bytes.map(|n| n + bytes.len() as u64);
                    sink.send(bytes).await?;
                }
                Part::Commit => whole = true,
            }
        }
        if !whole {
            return Err(Error::new(Code::Cancelled, "the input was not read to its end; nothing was loaded here")
                .hint("Run the whole load again."));
        }
        sink.finish().await?;
        session.simple("COMMIT").await?;
        Ok(result)
    };
    cx.guarded(session.canceller(), work).await
}
