//! The archiver: WAL that can't leave fills the disk, and what isn't archived can't be restored.

use flotilla::config::HealthSettings;
use tokio_postgres::SimpleQueryRow;

use super::super::rows::{flag, number};
use crate::check::{Check, Health, Limit};

pub(super) const SQL: &str = "\
SELECT current_setting('archive_mode') = 'always' \
  OR (current_setting('archive_mode') = 'on' AND NOT pg_is_in_recovery()) AS archives, \
 coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS failing, failed_count, \
 extract(epoch FROM clock_timestamp() - last_archived_time) AS archived_ago, \
 (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') AS waiting \
FROM pg_stat_archiver";

pub(super) fn checks(rows: &[SimpleQueryRow], settings: &HealthSettings) -> Vec<Check> {
    let Some(row) = rows.first() else { return Vec::new() };
    if flag(row, "archives") != Some(true) {
        return Vec::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    let limit = Limit::above(settings.archive_waiting_warn as f64, settings.archive_waiting_fail as f64);
    let mut checks = vec![
        Check::holds("archiver", flag(row, "failing") != Some(true), Health::Fail, "archiving fails")
            .hint("The server's log has what archive_command said; `walg-wrap verify` looks at the archive."),
        Check::number("archive_waiting", number(row, "waiting"), "files", limit)
            .hint("The archive takes WAL more slowly than it is made; look at the store and the network."),
    ];
    checks.extend(Check::figure("archived_seconds", number(row, "archived_ago"), "seconds"));
    checks.extend(Check::figure("archive_failures_total", number(row, "failed_count"), ""));
    checks
}
