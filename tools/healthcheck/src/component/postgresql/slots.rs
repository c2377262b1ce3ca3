//! Replication slots: one that nobody reads keeps WAL until the disk is full.

use flotilla::config::HealthSettings;
use tokio_postgres::SimpleQueryRow;

use super::super::rows::{flag, number, text};
use crate::check::{Check, Health, Limit};

pub(super) const SQL: &str = "\
SELECT slot_name, active, wal_status, pg_is_in_recovery() AS standby, \
 greatest(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, \
  restart_lsn), 0) AS retained, \
 pg_size_bytes(CASE current_setting('max_slot_wal_keep_size') WHEN '-1' THEN '0' \
  ELSE current_setting('max_slot_wal_keep_size') END) AS most \
FROM pg_replication_slots WHERE NOT temporary";

pub(super) fn checks(rows: &[SimpleQueryRow], settings: &HealthSettings) -> Vec<Check> {
    let mut checks = Vec::new();
    for row in rows {
        let name = text(row, "slot_name").unwrap_or_default();
        let status = text(row, "wal_status").unwrap_or("unknown");
        let health = match status {
            // Extended: beyond max_wal_size, but kept.
            "reserved" | "extended" => Health::Pass,
            _ => Health::Fail,
        };
        checks.push(
            Check::word("slot_wal", status, health)
                .of(name)
                .message(format!("the WAL that slot \"{name}\" needs is {status}"))
                .hint("Its reader can't go on from it: drop the slot and set the reader up anew."),
        );
        // Patroni keeps the slots of all members on each of them, for whoever leads next.
        let waits = flag(row, "standby") == Some(true);
        let active = waits || flag(row, "active").unwrap_or(false);
        checks.push(
            Check::holds("slot_active", active, Health::Warn, format!("nobody reads slot \"{name}\""))
                .of(name)
                .hint("Start its reader, or drop it: it holds back WAL and vacuum."),
        );
        // Half of what it may hold back at most, whatever the setting says.
        let half = number(row, "most").filter(|most| *most > 0.0).map_or(f64::INFINITY, |most| most / 2.0);
        #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
        let warn = (settings.slot_bytes_warn as f64).min(half);
        if let Some(retained) = number(row, "retained") {
            checks.push(
                Check::number("slot_bytes", Some(retained), "bytes", Limit::above(warn, None))
                    .of(name)
                    .hint("Its reader is behind or gone; the WAL that it holds back fills the disk."),
            );
        }
    }
    checks
}
