//! What the server counts: pages that were damaged, deadlocks, transactions.

use flotilla::config::HealthSettings;
use tokio_postgres::SimpleQueryRow;

use super::super::rows::number;
use crate::check::{Check, Limit};

pub(super) const SQL: &str = "\
SELECT sum(checksum_failures) AS checksum_failures, sum(deadlocks) AS deadlocks, \
 sum(xact_commit) AS commits, sum(xact_rollback) AS rollbacks \
FROM pg_stat_database";

pub(super) fn checks(rows: &[SimpleQueryRow], _: &HealthSettings) -> Vec<Check> {
    let Some(row) = rows.first() else { return Vec::new() };
    // Null where checksums are off.
    let failures = number(row, "checksum_failures").map(|failures| {
        Check::number("checksum_failures", Some(failures), "pages", Limit::above(None, 0.0)).hint(
            "The disk gave back other bytes than were written: fail over to a replica that has none, then look for the cause.",
        )
    });
    let counted = |check, name| Check::figure(check, number(row, name), "");
    let totals = [
        counted("deadlocks_total", "deadlocks"),
        counted("commits_total", "commits"),
        counted("rollbacks_total", "rollbacks"),
    ];
    failures.into_iter().chain(totals.into_iter().flatten()).collect()
}
