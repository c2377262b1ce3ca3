//! How far behind a replica is, proven before it is read from.
//!
//! The primary's WAL position now is the yardstick: a replica that has replayed it holds everything
//! that was committed before the question. A replica's own clock arithmetic can't tell "nothing to
//! replay" from "nothing arrives any more", so without the primary it counts as behind.

use std::time::Duration;

use flotilla::Context;
use flotilla::clock::millis;
use flotilla::config::Shard;
use flotilla::error::{Code, Error, Result};
use flotilla::pg::{Query, RowSession};
use flotilla::reach;

const PRIMARY: &str = "SELECT pg_catalog.pg_current_wal_insert_lsn()";

const REPLICA: &str = "\
SELECT pg_catalog.pg_is_in_recovery() AS replica, \
       pg_catalog.pg_last_wal_replay_lsn() >= $1::pg_lsn AS caught_up, \
       (extract(epoch FROM clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()) * 1000)::bigint AS behind_ms";

/// Refuses a replica that is behind by more than `most`; returns its lag in milliseconds.
pub(super) async fn check(cx: &Context, shard: &Shard, replica: &mut RowSession, most: Duration) -> Result<u64> {
    let config = cx.config()?;
    let primary = async {
        let session = cx.connect(reach::writer(config, shard, &config.users.app)?).await?;
        session.value(PRIMARY).await
    };
    let at = match primary.await {
        Ok(at) => at,
        Err(error) if error.code() == Code::Unreachable => None,
        Err(error) => return Err(error),
    };
    let params = [at.or_else(|| Some("FFFFFFFF/FFFFFFFF".to_owned()))];
    let mut rows = replica.run(&Query::new(REPLICA).params(&params)).await?;
    let row = rows.next().await?.ok_or_else(|| Error::internal("the lag query returned no row"))?;
    while rows.next().await?.is_some() {}
    if row.get("replica") == Some("f") || row.get("caught_up") == Some("t") {
        return Ok(0);
    }
    let behind = row.get("behind_ms").and_then(|ms| ms.parse::<i64>().ok());
    let behind = behind.map_or(u64::MAX, |ms| u64::try_from(ms).unwrap_or(0));
    if behind <= millis(most) {
        return Ok(behind);
    }
    let by = if behind == u64::MAX { "by an unknown time".to_owned() } else { format!("by {behind} ms") };
    Err(Error::new(Code::Mismatch, format!("the replica is behind {by}, more than {} ms", millis(most)))
        .retryable(true)
        .hint("Try again, allow more with --max-lag, or read from the primary without it."))
}
