//! Checkpoints that come before their time, because `max_wal_size` is reached.

use super::settings::{Change, Server};

/// So many of all may be asked for by WAL.
const LIMIT: f64 = 0.1;
/// With fewer requested ones nothing is known.
const LEAST: f64 = 5.0;
/// So long must have been counted for its rate to count.
const LEAST_SECONDS: f64 = 3_600.0;
const MIB: f64 = 1_048_576.0;

/// What `max_wal_size` should be. A standby has restartpoints, which follow the primary's checkpoints.
pub(super) fn change(server: &Server) -> Option<Change> {
    let all = server.timed + server.requested;
    if server.is_standby || server.requested < LEAST || server.requested / all < LIMIT {
        return None;
    }
    // A checkpoint is asked for when so much has been written since the last one. Others are asked for by backups
    // and people: between those is less.
    let trigger = server.max_wal_size / (1.0 + server.completion);
    let between = server.wal / all;
    if between < trigger / 2.0 {
        return None;
    }
    let rate = server.wal / server.wal_counted.max(1.0);
    // A short time says nothing of a usual hour.
    let is_usual = server.wal_counted >= LEAST_SECONDS;
    let by_rate = if is_usual { rate * server.checkpoint_seconds * (1.0 + server.completion) } else { 0.0 };
    let wanted = by_rate.max(server.max_wal_size * 2.0);
    // Half of what is free, so that a burst doesn't fill the disk.
    let most = server.machine.free.map_or(f64::INFINITY, |free| server.max_wal_size + free / 2.0);
    let bytes = (wanted.min(most) / MIB).ceil();
    if bytes * MIB <= server.max_wal_size {
        return None;
    }
    let limit =
        if most.is_finite() { format!("; at most {most:.0} bytes, by half of the free disk") } else { String::new() };
    let by_rate = if is_usual {
        format!(
            "WAL a second × checkpoint_timeout × (1 + completion_target) = {rate:.0} × {} × {} = {by_rate:.0} bytes,",
            server.checkpoint_seconds,
            1.0 + server.completion
        )
    } else {
        format!(
            "WAL a second × checkpoint_timeout × (1 + completion_target), not known after {:.0} s,",
            server.wal_counted
        )
    };
    Some(Change {
        name: "max_wal_size",
        value: format!("{bytes:.0}MB"),
        restarts: false,
        seen: vec![
            ("checkpoints_requested", server.requested, "checkpoints"),
            ("checkpoints_timed", server.timed, "checkpoints"),
            ("wal_bytes_per_checkpoint", between, "bytes"),
            ("wal_bytes_per_second", rate, "bytes/s"),
            ("max_wal_size", server.max_wal_size, "bytes"),
        ],
        why: "checkpoints come before their time: each writes all changed pages, and every page whole into the WAL after it".to_owned(),
        formula: format!("the larger of {by_rate} and twice what it is = {:.0} bytes{limit}", server.max_wal_size * 2.0),
        is_counted: true,
        commands: Vec::new(),
    })
}
