//! Sessions: how many, and which of them hold the others up.

use flotilla::config::HealthSettings;
use tokio_postgres::SimpleQueryRow;

use super::super::rows::number;
use crate::check::{Check, Limit};

pub(super) const SQL: &str = "\
SELECT count(*) FILTER (WHERE backend_type = 'client backend') AS used, \
 current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS usable, \
 max(extract(epoch FROM clock_timestamp() - state_change)) FILTER (WHERE state LIKE 'idle in transaction%') AS idle, \
 max(extract(epoch FROM clock_timestamp() - xact_start)) \
  FILTER (WHERE backend_type = 'client backend' AND state = 'active') AS longest \
FROM pg_stat_activity WHERE pid <> pg_backend_pid()";

pub(super) fn checks(rows: &[SimpleQueryRow], settings: &HealthSettings) -> Vec<Check> {
    let Some(row) = rows.first() else { return Vec::new() };
    let (used, usable) = (number(row, "used"), number(row, "usable").filter(|usable| *usable > 0.0));
    let ratio = used.zip(usable).map(|(used, usable)| used / usable);
    let of = |name: &str| Some(number(row, name).unwrap_or(0.0).max(0.0));
    vec![
        Check::number(
            "connections_ratio",
            ratio,
            "ratio",
            Limit::above(settings.connections_ratio_warn, settings.connections_ratio_fail),
        )
        .hint("Find who holds them in pg_stat_activity; applications should come through a pooler."),
        Check::number(
            "idle_in_transaction_seconds",
            of("idle"),
            "seconds",
            Limit::above(settings.idle_in_transaction_seconds_warn, settings.idle_in_transaction_seconds_fail),
        )
        .hint("Its locks and its snapshot hold up others; pg_terminate_backend ends it."),
        Check::number(
            "transaction_seconds",
            of("longest"),
            "seconds",
            Limit::above(settings.transaction_seconds_warn, settings.transaction_seconds_fail),
        )
        .hint("A long transaction holds up vacuum everywhere; look at pg_stat_activity."),
    ]
}
