//! A commit. What the role says of a server doesn't prove that it takes writes: its disk may be full, a
//! synchronous replica may be gone.
//!
//! The write is a transactional message in the WAL, which belongs to no table: it gets a transaction id, is
//! flushed, waits for as many replicas as every commit does, and is replayed by them, so that even an idle
//! shard's replicas have something recent to have replayed. It needs no right and leaves nothing behind.

use std::time::Instant;

use flotilla::Result;
use flotilla::pg::Session;

use crate::check::{Check, Health, Limit};

/// The message's prefix, for whoever decodes the WAL.
const SQL: &str = "SELECT pg_catalog.pg_logical_emit_message(true, 'flotilla.probe', '')";

/// Commits, and says how long that took.
pub(super) async fn checks(session: &Session) -> Result<Vec<Check>> {
    let began = Instant::now();
    match session.simple(SQL).await {
        Ok(_) => {
            let took = began.elapsed().as_secs_f64();
            Ok(vec![
                Check::holds("commit", true, Health::Fail, ""),
                Check::number("commit_seconds", Some(took), "seconds", Limit::default()),
            ])
        }
        Err(error) if error.state().is_some() => Ok(vec![
            Check::holds("commit", false, Health::Fail, format!("a commit failed: {}", error.message()))
                .hint("Look at the server's log: a full disk and a read-only server refuse writes."),
        ]),
        Err(error) => Err(error),
    }
}
