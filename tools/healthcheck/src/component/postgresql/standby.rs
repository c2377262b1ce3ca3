//! How far a standby is behind.
//!
//! The primary's own position comes from what the WAL receiver heard last. When all of that is replayed the
//! standby is behind by nothing, however long ago the last commit was; only else the last commit's age counts.

use std::time::Duration;

use flotilla::Result;
use flotilla::config::HealthSettings;
use flotilla::pg::Session;

use super::super::rows::{flag, number, text};
use crate::check::{Check, Health, Limit};

const SQL: &str = "\
SELECT r.status AS receiver, \
 greatest(pg_wal_lsn_diff(greatest(r.latest_end_lsn, pg_last_wal_receive_lsn()), pg_last_wal_replay_lsn()), 0) \
  AS behind, \
 extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) AS replayed_ago, \
 extract(epoch FROM clock_timestamp() - r.last_msg_receipt_time) AS heard_ago, \
 pg_is_wal_replay_paused() AS paused, \
 greatest(r.latest_end_lsn, pg_last_wal_receive_lsn()) AS goal, \
 pg_last_wal_replay_lsn() AS reached \
FROM (SELECT) AS one LEFT JOIN pg_stat_wal_receiver AS r ON true";

/// How long a standby that seems far behind is given to catch up before that is believed: after a pause the first
/// commit makes it look as late as the pause was long, until it is replayed.
const SECOND_LOOK: Duration = Duration::from_millis(200);

/// Looks at replication from the standby's side.
pub(super) async fn checks(session: &Session, settings: &HealthSettings) -> Result<Vec<Check>> {
    let mut rows = session.simple(SQL).await?;
    let late = |row: &tokio_postgres::SimpleQueryRow| {
        number(row, "behind").is_some_and(|bytes| bytes > 0.0)
            && number(row, "replayed_ago").is_some_and(|ago| ago > settings.lag_seconds_warn)
    };
    if let Some(goal) = rows.first().filter(|row| late(row)).and_then(|row| text(row, "goal")).map(str::to_owned) {
        tokio::time::sleep(SECOND_LOOK).await;
        // What was missing then is there now: it was behind by no more than the time between.
        let sql = SQL.replace(
            "clock_timestamp() - pg_last_xact_replay_timestamp()",
            &format!(
                "CASE WHEN pg_last_wal_replay_lsn() >= '{goal}' THEN interval '0.2 s' \
             ELSE clock_timestamp() - pg_last_xact_replay_timestamp() END"
            ),
        );
        rows = session.simple(&sql).await?;
    }
    let Some(row) = rows.first() else { return Ok(vec![Check::unknown("wal_receiver", "the server gave no row")]) };
    let receiver = text(row, "receiver");
    let streams = receiver == Some("streaming");
    let mut checks = vec![
        Check::word("wal_receiver", receiver.unwrap_or("none"), if streams { Health::Pass } else { Health::Fail })
            .message("the replica doesn't stream from its primary")
            .hint("Is the primary up, and does its pg_hba.conf let replication in? The replica's log says why."),
    ];
    if flag(row, "paused") == Some(true) {
        checks.push(
            Check::word("replay", "paused", Health::Warn)
                .message("replay is paused")
                .hint("SELECT pg_wal_replay_resume() goes on."),
        );
    }
    // Without a receiver nobody here knows how far the primary is.
    let bytes = number(row, "behind").filter(|_| streams);
    let seconds = bytes.and_then(|bytes| if bytes > 0.0 { number(row, "replayed_ago") } else { Some(0.0) });
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    let limit = Limit::above(settings.lag_bytes_warn as f64, settings.lag_bytes_fail as f64);
    checks.push(
        Check::number("lag_bytes", bytes, "bytes", limit)
            .hint("Look for a slow disk or network, and for queries on the replica that hold up replay."),
    );
    checks.push(
        Check::number(
            "lag_seconds",
            seconds,
            "seconds",
            Limit::above(settings.lag_seconds_warn, settings.lag_seconds_fail),
        )
        .hint("Look for a slow disk or network, and for queries on the replica that hold up replay."),
    );
    Ok(checks)
}
